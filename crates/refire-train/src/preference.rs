use crate::drive::{Emit, Loop, Trained};
use crate::judged::Judged;
use crate::learn::{Gradient, Passes};
use crate::reference::Reference;
use crate::{PreferenceConfig, ReferenceCache, TrainError, Trainer};
use refire_core::{
    BoxError, Columns, Metric, Metrics, Needs, Phase, PreferenceSource, Source, Stateful,
};
use refire_objective::{FrozenPolicy, MovingReference, Objective, Policy, ReferenceSchedule};

/// Preference optimisation: judged completions in, the better ones more likely.
///
/// One step: take preferences, look up or compute the reference's log-probabilities, accumulate the
/// gradient over micro-batches that keep each prompt's completions together, clip, update. Rows of
/// one preference share their group; labels are scores; the objective sees the whole step in
/// `prepare`.
pub type PreferenceTrainer = Trainer<Preferences>;

/// The loop of [`PreferenceTrainer`].
pub struct Preferences {
    policy: Box<dyn Policy>,
    source: Box<dyn PreferenceSource>,
    objective: Box<dyn Objective>,
    config: PreferenceConfig,
    reference: Option<Reference>,
    cache: Option<ReferenceCache>,
}

impl std::fmt::Debug for Preferences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preferences").field("config", &self.config).finish_non_exhaustive()
    }
}

impl PreferenceTrainer {
    /// A trainer at step 0.
    ///
    /// # Errors
    /// Lists every problem of the configuration.
    pub fn new(
        policy: Box<dyn Policy>,
        source: Box<dyn PreferenceSource>,
        objective: Box<dyn Objective>,
        config: PreferenceConfig,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        let (reference, cache) = (None, None);
        Ok(Self::of(Preferences { policy, source, objective, config, reference, cache }))
    }

    /// The frozen reference.
    pub fn with_reference(mut self, reference: Box<dyn FrozenPolicy>) -> Self {
        self.work.reference = Some(Reference::Frozen(reference));
        self
    }

    /// A reference that follows the policy on this schedule (TR-DPO); it can't be cached.
    pub fn with_moving_reference(
        mut self,
        reference: Box<dyn MovingReference>,
        schedule: Box<dyn ReferenceSchedule>,
    ) -> Self {
        self.work.reference = Some(Reference::Moving(reference, schedule));
        self
    }

    /// Keeps the reference's log-probabilities on disk: each row is computed once, over all epochs
    /// and runs.
    pub fn with_reference_cache(mut self, cache: ReferenceCache) -> Self {
        self.work.cache = Some(cache);
        self
    }

    /// The policy.
    pub fn policy(&self) -> &dyn Policy {
        self.work.policy.as_ref()
    }

    /// Gives the policy back.
    pub fn into_policy(self) -> Box<dyn Policy> {
        self.work.policy
    }
}

impl Preferences {
    fn columns(&mut self, judged: &Judged, needs: Needs) -> Result<Columns, BoxError> {
        let empty = Columns::default();
        let view = judged.view(&empty);
        let (micro_batch, device) = (self.config.micro_batch, self.policy.device());
        let passes = Passes { view: &view, micro_batch, device };
        let mut columns = Columns::default();
        if needs.old_logprobs || needs.mismatched {
            let old = passes
                .stats(Needs::NONE, &|batch, query| self.policy.token_stats(batch, query))?
                .logprobs;
            columns.old_logprobs = Some(passes.column(old, Source::Trainer, self.policy.version()));
        }
        if let Some(moving) = self.reference.as_ref().filter(|_| needs.ref_logprobs) {
            let reference = moving.policy();
            let rows = match &mut self.cache {
                Some(cache) => cache.logprobs(reference, &passes)?,
                None => {
                    passes
                        .stats(Needs::NONE, &|batch, query| reference.token_stats(batch, query))?
                        .logprobs
                }
            };
            columns.ref_logprobs = Some(passes.column(rows, Source::Reference, moving.version()));
        }
        Ok(columns)
    }
}

impl Loop for Preferences {
    fn phase(&self) -> Phase {
        Phase::Preference
    }

    fn total(&self) -> u64 {
        self.config.steps
    }

    fn evaluate_every(&self) -> u64 {
        0
    }

    fn config(&self) -> Result<serde_json::Value, BoxError> {
        Ok(serde_json::to_value(&self.config)?)
    }

    fn check(&self) -> Result<(), BoxError> {
        if self.cache.is_some() && self.reference.as_ref().is_some_and(Reference::moves) {
            let problem = "a reference that moves can't be cached; drop `with_reference_cache`";
            return Err(TrainError::Config { problems: vec![problem.to_owned()] }.into());
        }
        let needs = self.objective.needs();
        TrainError::needs_reference(self.objective.name(), needs, self.reference.is_some())
    }

    fn models(&mut self) -> Vec<(&'static str, Trained<'_>)> {
        let mut models = vec![("policy", Trained::Policy(self.policy.as_mut()))];
        if let Some((reference, _)) = self.reference.as_mut().and_then(Reference::moving) {
            models.push(("reference", Trained::Reference(reference)));
        }
        models
    }

    fn parts(&mut self) -> Vec<(&str, &mut dyn Stateful)> {
        let mut parts: Vec<(&str, &mut dyn Stateful)> =
            vec![("source", &mut self.source), ("objective", &mut self.objective)];
        if let Some((_, schedule)) = self.reference.as_mut().and_then(Reference::moving) {
            parts.push(("reference_schedule", schedule));
        }
        parts
    }

    fn step(&mut self, step: u64, _emit: &mut Emit<'_>) -> Result<Option<Metrics>, BoxError> {
        let preferences = self.source.next(self.config.preferences_per_step)?;
        if preferences.is_empty() {
            return TrainError::exhausted("preferences", step);
        }
        let needs = self.objective.needs();
        let mut judged = Judged::new(step, preferences)?;
        if needs.mismatched {
            judged.add_mismatched()?;
        }
        let columns = self.columns(&judged, needs)?;
        let view = judged.view(&columns);
        view.validate()?;
        let context = self.objective.prepare(&view)?;
        let mut gradient = Gradient {
            policy: self.policy.as_mut(),
            reference: self.reference.as_ref().map(Reference::policy),
            objective: self.objective.as_ref(),
            micro_batch: self.config.micro_batch,
            log_entropy: self.config.log_entropy,
        };
        let mut metrics = gradient.accumulate(
            &view,
            &context,
            &judged.labelled_groups(),
            &|part, batch| judged.complete(part, &mut batch.targets),
            &mut |_, _, _, _| {},
        )?;
        let rate = self.config.learning_rate * self.config.schedule.rate(step, self.config.steps);
        let report = self.policy.step(rate)?;
        self.reference.as_mut().map_or(Ok(()), |reference| reference.after(step + 1))?;
        metrics.add(Metric::mean("grad_norm", report.grad_norm, 1.0));
        metrics.add(Metric::mean("learning_rate", rate, 1.0));
        metrics.add(Metric::sum("num_tokens", judged.tokens() as f64));
        Ok(Some(metrics))
    }
}
