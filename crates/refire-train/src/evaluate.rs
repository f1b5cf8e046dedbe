use refire_core::{
    BoxError, Flow, Metric, Metrics, Request, Reward, RolloutEngine, Scored, Stateful,
};

/// Measures a policy during training, through its engine.
pub trait Evaluator: Stateful + Send {
    /// Metrics of the present policy; names begin with `eval_`.
    ///
    /// # Errors
    /// When generation or scoring fails.
    fn evaluate(&mut self, engine: &mut dyn RolloutEngine) -> Result<Metrics, BoxError>;
}

/// Mean reward over fixed requests: accuracy, where the reward is 0 or 1.
pub struct HeldOut {
    requests: Vec<Request>,
    reward: Box<dyn Reward>,
    metric: &'static str,
}

impl std::fmt::Debug for HeldOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reward = self.reward.name();
        f.debug_struct("HeldOut")
            .field("requests", &self.requests.len())
            .field("reward", &reward)
            .finish()
    }
}

impl HeldOut {
    /// Requests that are asked again at each evaluation, and the reward that judges them.
    pub fn new(requests: Vec<Request>, reward: Box<dyn Reward>) -> Self {
        Self { requests, reward, metric: "eval_reward" }
    }

    /// For a reward that is 1 for a right answer and 0 otherwise: its mean is called
    /// `eval_accuracy` instead of `eval_reward`.
    pub fn accuracy(mut self) -> Self {
        self.metric = "eval_accuracy";
        self
    }
}

impl Stateful for HeldOut {}

impl Evaluator for HeldOut {
    fn evaluate(&mut self, engine: &mut dyn RolloutEngine) -> Result<Metrics, BoxError> {
        let groups = engine.generate(&self.requests, &mut |_| Flow::Continue)?;
        let items = groups.iter().enumerate().flat_map(|(index, group)| {
            group.completions.iter().map(move |completion| Scored {
                prompt: &group.request.prompt,
                completion,
                group: index,
            })
        });
        let items: Vec<_> = items.collect();
        let scores = self.reward.score(&items)?;
        let mut metrics = Metrics::default();
        for (item, score) in items.iter().zip(&scores) {
            if let Some(total) = score.total() {
                metrics.add(Metric::mean(self.metric, total, 1.0));
            }
            metrics.add(Metric::mean("eval_mean_length", item.completion.len() as f64, 1.0));
        }
        Ok(metrics)
    }
}
