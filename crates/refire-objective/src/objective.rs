use crate::{Counts, Targets, TokenStats};
use burn::tensor::Tensor;
use refire_core::{BoxError, Metric, Needs, Stateful, StepView};
use std::any::Any;

/// The unit that an objective must see whole: the batcher never splits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Tokens are independent.
    Token,
    /// A row's tokens belong together (sequence-level ratios).
    Row,
    /// A group's rows belong together (pairs, sibling baselines).
    Group,
    /// The whole step.
    Step,
}

/// A loss and its measurements, over one micro-batch.
#[derive(Debug, Clone)]
pub struct Loss {
    /// `[1]`, to be minimised: this micro-batch's share of the step's loss.
    pub total: Tensor<1>,
    /// Measurements, to be merged over micro-batches.
    pub metrics: Vec<Metric>,
}

/// A [`Loss`] after its backward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct LossReport {
    /// Value of the loss.
    pub total: f64,
    /// Measurements.
    pub metrics: Vec<Metric>,
}

/// What [`Objective::prepare`] learned from the whole step: thresholds, permutations, estimates.
#[derive(Default)]
pub struct StepContext(Option<Box<dyn Any + Send + Sync>>);

impl StepContext {
    /// Nothing prepared.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Wraps what an objective prepared.
    ///
    /// ```
    /// use refire_objective::StepContext;
    /// let context = StepContext::new(0.8_f64);
    /// assert_eq!(context.get::<f64>(), Some(&0.8));
    /// assert_eq!(context.get::<u8>(), None);
    /// ```
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Some(Box::new(value)))
    }

    /// What was prepared, if it is a `T`.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref().and_then(|value| value.downcast_ref())
    }
}

impl std::fmt::Debug for StepContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StepContext").field(&self.0.is_some()).finish()
    }
}

/// What a policy is trained to minimise.
pub trait Objective: Stateful + Send {
    /// A short name, for logs and errors.
    fn name(&self) -> &'static str;

    /// The statistics and columns it reads.
    fn needs(&self) -> Needs {
        Needs::NONE
    }

    /// The unit it must see whole.
    fn scope(&self) -> Scope {
        Scope::Token
    }

    /// Looks at the whole step once, before its micro-batches.
    ///
    /// # Errors
    /// When a column it needs is missing.
    fn prepare(&mut self, _step: &StepView<'_>) -> Result<StepContext, BoxError> {
        Ok(StepContext::empty())
    }

    /// The loss of one micro-batch. `counts` are those of the whole step.
    ///
    /// # Errors
    /// When a column it needs is missing.
    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError>;

    /// `d loss / d logprob`, `[rows, time]`, where it doesn't depend on the statistics: one walk
    /// over the head then gives loss and gradient.
    fn known_coefficients(&self, _targets: &Targets, _counts: &Counts) -> Option<Tensor<2>> {
        None
    }
}

/// What a [`Critic`](crate::Critic) is trained to minimise: a loss of its values.
///
/// A critic's loss compares values with [`Targets::returns`]; a reward model's compares the scores
/// of a pair's rows, `[rows, 1]`.
pub trait ValueObjective: Stateful + Send {
    /// A short name, for logs and errors.
    fn name(&self) -> &'static str;

    /// The unit it must see whole.
    fn scope(&self) -> Scope {
        Scope::Token
    }

    /// The loss of one micro-batch from values `[rows, time]`. `counts` are those of the whole step.
    ///
    /// # Errors
    /// When a column it needs is missing.
    fn loss(
        &self,
        values: &Tensor<2>,
        targets: &Targets,
        counts: &Counts,
    ) -> Result<Loss, BoxError>;
}

impl<T: Objective + ?Sized> Objective for Box<T> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn needs(&self) -> Needs {
        (**self).needs()
    }
    fn scope(&self) -> Scope {
        (**self).scope()
    }
    fn prepare(&mut self, step: &StepView<'_>) -> Result<StepContext, BoxError> {
        (**self).prepare(step)
    }
    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        (**self).loss(stats, targets, context, counts)
    }
    fn known_coefficients(&self, targets: &Targets, counts: &Counts) -> Option<Tensor<2>> {
        (**self).known_coefficients(targets, counts)
    }
}
