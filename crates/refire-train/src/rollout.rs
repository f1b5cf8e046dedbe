use crate::{OnExhausted, OnUnavailable, Refill, TrainError};
use refire_core::{
    BoxError, Flow, Group, GroupFilter, Metric, Metrics, PromptSource, Request, Reward,
    RolloutEngine, SamplingParams, Score, Scored, StepSettings, WeightUpdate,
};

/// Groups with their scores, and what was measured while they were made.
#[derive(Debug, Default)]
pub struct Rollouts {
    /// Groups to train on.
    pub groups: Vec<Group>,
    /// One slice of scores per group.
    pub scores: Vec<Vec<Score>>,
    /// Reward of the greedy completion beside each group, where they were asked for.
    pub greedy_rewards: Vec<Option<f64>>,
    /// Rewards and lengths over all groups that were generated, kept or not, and times.
    pub metrics: Metrics,
    /// True if the source has nothing more to give.
    pub exhausted: bool,
}

/// From prompts to scored groups: source, engine, reward and filter.
pub struct RolloutStage {
    /// Chooses the prompts.
    pub source: Box<dyn PromptSource>,
    /// Generates.
    pub engine: Box<dyn RolloutEngine>,
    /// Scores.
    pub reward: Box<dyn Reward>,
    /// Decides which groups are worth training on.
    pub filter: Option<Box<dyn GroupFilter>>,
    /// How dropped groups are replaced.
    pub refill: Refill,
    /// What to do with rows without verifier.
    pub on_unavailable: OnUnavailable,
}

impl std::fmt::Debug for RolloutStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RolloutStage").field("reward", &self.reward.name()).finish_non_exhaustive()
    }
}

impl RolloutStage {
    /// Makes the groups of one step with the weights of this version.
    ///
    /// A request whose `n` is 0 takes group size and sampling from `settings`.
    ///
    /// # Errors
    /// When a part fails, or nothing is kept and the configuration says to fail then.
    pub fn collect(&mut self, settings: &StepSettings, version: u64) -> Result<Rollouts, BoxError> {
        self.engine.refresh(&WeightUpdate::InProcess { version })?;
        let mut rollouts = Rollouts::default();
        let mut rounds = 0;
        while rounds < self.refill.max_rounds && rollouts.groups.len() < settings.prompts {
            rounds += 1;
            let wanted = settings.prompts - rollouts.groups.len();
            let mut requests = self.source.next(wanted)?;
            rollouts.exhausted = requests.len() < wanted;
            requests.iter_mut().enumerate().for_each(|(id, r)| prepare(r, id as u64, settings));
            self.round(&requests, settings.greedy_sibling, &mut rollouts)?;
            if rollouts.exhausted {
                break;
            }
        }
        rollouts.metrics.add(Metric::sum("rollout_rounds", rounds as f64));
        let empty = rollouts.groups.is_empty() && !rollouts.exhausted;
        if empty && self.refill.on_exhausted == OnExhausted::Fail {
            return Err(TrainError::NothingKept { rounds, prompts: settings.prompts }.into());
        }
        Ok(rollouts)
    }

    fn round(
        &mut self,
        requests: &[Request],
        greedy_sibling: bool,
        rollouts: &mut Rollouts,
    ) -> Result<(), BoxError> {
        if requests.is_empty() {
            return Ok(());
        }
        let clock = std::time::Instant::now();
        let groups = self.engine.generate(requests, &mut |_| Flow::Continue)?;
        let greedy = greedy_sibling.then(|| self.greedy(requests)).transpose()?;
        rollouts.metrics.add(Metric::sum("generate_seconds", clock.elapsed().as_secs_f64()));
        let clock = std::time::Instant::now();
        let scores = self.score(&groups)?;
        let greedy = greedy.map(|groups| self.score(&groups)).transpose()?;
        rollouts.metrics.add(Metric::sum("score_seconds", clock.elapsed().as_secs_f64()));
        measure(&groups, &scores, &mut rollouts.metrics);
        self.source.observe(&groups, &scores);
        for (index, (group, scores)) in groups.into_iter().zip(scores).enumerate() {
            let keep = match &mut self.filter {
                Some(filter) => filter.keep(&group, &scores)?,
                None => true,
            };
            rollouts.metrics.add(Metric::mean("frac_groups_kept", f64::from(u8::from(keep)), 1.0));
            if keep {
                rollouts.groups.push(group);
                rollouts.scores.push(scores);
                let sibling = greedy.as_ref().map(|greedy| greedy[index].first());
                rollouts.greedy_rewards.extend(sibling.map(|s| s.and_then(Score::total)));
            }
        }
        Ok(())
    }

    /// One greedy completion of each prompt.
    fn greedy(&mut self, requests: &[Request]) -> Result<Vec<Group>, BoxError> {
        let greedy = requests.iter().map(|request| Request {
            n: 1,
            params: SamplingParams { temperature: 0.0, ..request.params.clone() },
            ..request.clone()
        });
        let greedy: Vec<Request> = greedy.collect();
        self.engine.generate(&greedy, &mut |_| Flow::Continue)
    }

    /// Scores every completion; asks again where a verifier was not available.
    fn score(&self, groups: &[Group]) -> Result<Vec<Vec<Score>>, BoxError> {
        let rows = groups.iter().enumerate().flat_map(|(group, g)| {
            g.completions.iter().map(move |completion| Scored {
                prompt: &g.request.prompt,
                completion,
                group,
            })
        });
        let rows: Vec<Scored<'_>> = rows.collect();
        let mut scores = self.ask(&rows)?;
        for _ in 0..self.on_unavailable.retries {
            // A reward may compare siblings, so whole groups are asked again.
            let failed = |score: &Score| matches!(score, Score::Unavailable { retry: true, .. });
            let open: Vec<usize> = (0..groups.len())
                .filter(|g| rows.iter().zip(&scores).any(|(r, s)| r.group == *g && failed(s)))
                .collect();
            if open.is_empty() {
                break;
            }
            let again: Vec<usize> =
                (0..rows.len()).filter(|row| open.contains(&rows[*row].group)).collect();
            let items: Vec<Scored<'_>> = again.iter().map(|row| rows[*row]).collect();
            for (row, score) in again.iter().zip(self.ask(&items)?) {
                if failed(&scores[*row]) {
                    scores[*row] = score;
                }
            }
        }
        let mut scores = scores.into_iter();
        let split: Vec<Vec<Score>> =
            groups.iter().map(|g| scores.by_ref().take(g.completions.len()).collect()).collect();
        if self.on_unavailable.then_abort {
            check_available(groups, &split)?;
        }
        Ok(split)
    }

    fn ask(&self, rows: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        let scores = self.reward.score(rows)?;
        let (found, expected) = (scores.len(), rows.len());
        if found != expected {
            return Err(TrainError::Count { what: "scores of the reward", found, expected }.into());
        }
        Ok(scores)
    }
}

fn prepare(request: &mut Request, id: u64, settings: &StepSettings) {
    request.id = id;
    if request.n == 0 {
        request.n = settings.group_size;
        request.params = settings.sampling.clone();
    }
}

fn check_available(groups: &[Group], scores: &[Vec<Score>]) -> Result<(), TrainError> {
    for (group, scores) in groups.iter().zip(scores) {
        for (sample, score) in scores.iter().enumerate() {
            if let Score::Unavailable { reason, .. } = score {
                let (prompt, reason) = (group.request.prompt.id, reason.to_string());
                return Err(TrainError::Unavailable { prompt, sample, reason });
            }
        }
    }
    Ok(())
}

/// TRL's reward and completion metrics.
fn measure(groups: &[Group], scores: &[Vec<Score>], metrics: &mut Metrics) {
    for (group, scores) in groups.iter().zip(scores) {
        let rewards: Vec<f64> = scores.iter().filter_map(Score::total).collect();
        let missing = (scores.len() - rewards.len()) as f64;
        metrics.add(Metric::mean("frac_unscored", missing, scores.len() as f64));
        metrics.add(Metric::mean("reward", rewards.iter().sum(), rewards.len() as f64));
        if !rewards.is_empty() {
            let deviation = deviation(&rewards);
            metrics.add(Metric::mean("reward_std", deviation, 1.0));
            let flat = f64::from(u8::from(deviation < 1e-8));
            metrics.add(Metric::mean("frac_reward_zero_std", flat, 1.0));
        }
        for score in scores {
            let Score::Value { parts, .. } = score else { continue };
            for (name, value) in parts {
                metrics.add(Metric::mean(format!("rewards/{name}/mean"), *value, 1.0));
            }
        }
        for completion in &group.completions {
            let length = completion.len() as f64;
            metrics.add(Metric::mean("completions/mean_length", length, 1.0));
            metrics.add(Metric::min("completions/min_length", length));
            metrics.add(Metric::max("completions/max_length", length));
            let cut = f64::from(u8::from(completion.is_truncated()));
            metrics.add(Metric::mean("completions/clipped_ratio", cut, 1.0));
            if !completion.is_truncated() {
                metrics.add(Metric::mean("completions/mean_terminated_length", length, 1.0));
            }
            metrics.add(Metric::sum("num_tokens", length));
        }
    }
}

/// Sample standard deviation (divisor n - 1), 0 for a single value.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (square / (n - 1.0).max(1.0)).sqrt()
}
