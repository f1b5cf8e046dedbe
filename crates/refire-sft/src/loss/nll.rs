//! The negative log-likelihood: cross-entropy of each token.
//!
//! ```text
//! nll       = -logprobs
//! smoothed  = -(1 - e) logprobs - e mean_logprob        mean over the vocabulary
//! loss      = sum(mask weight l) / N                    N: tokens of the whole step
//! ```
//!
//! The mean is over all tokens of the optimiser step, not of the micro-batch, as in transformers
//! with `num_items_in_batch`; weights don't enter N. Smoothing is PyTorch's
//! (`F.cross_entropy(label_smoothing = e)`). Where no token has mask 1 the loss is 0; PyTorch's
//! would be NaN.

use crate::columns::{View, reduced};
use crate::{NllConfig, SftError};
use burn::tensor::Tensor;
use refire_core::{BoxError, Needs, Stateful};
use refire_objective::{
    Aggregation, Counts, Loss, Objective, ObjectiveError, StepContext, Targets, TokenStats,
};

const NAME: &str = "nll";

/// The loss per token, `[batch, time]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::nll;
/// let logprobs = Tensor::<2>::from_data([[-0.5]], &Device::flex());
/// assert_eq!(nll(logprobs).into_scalar::<f32>(), 0.5);
/// ```
pub fn nll(logprobs: Tensor<2>) -> Tensor<2> {
    logprobs.neg()
}

/// The loss per token with label smoothing `e`, `[batch, time]`; `mean_logprob` is the mean
/// log-probability over the vocabulary.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::smoothed_nll;
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0]], &device);
/// let mean = Tensor::<2>::from_data([[-3.0]], &device);
/// assert_eq!(smoothed_nll(logprobs, mean, 0.5).into_scalar::<f32>(), 2.0);
/// ```
pub fn smoothed_nll(logprobs: Tensor<2>, mean_logprob: Tensor<2>, e: f64) -> Tensor<2> {
    logprobs * (e - 1.0) - mean_logprob * e
}

/// The negative log-likelihood as an [`Objective`], with the token weights of
/// [`Targets::weights`].
///
/// Metrics: `loss`, and `entropy` where it was computed; both are means over tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
/// use refire_sft::NllConfig;
///
/// let device = Device::flex();
/// let stats = TokenStats::from_logprobs(Tensor::from_data([[-1.0, -2.0]], &device));
/// let targets = Targets::new(Tensor::from_data([[1.0, 1.0]], &device));
/// // Half of a step of four tokens.
/// let counts = Counts { tokens: 4.0, rows: 2.0, nonempty_rows: 2.0, micro_batches: 2.0 };
/// let objective = NllConfig::default().build()?;
/// let loss = objective.loss(&stats, &targets, &StepContext::empty(), &counts)?;
/// assert_eq!(loss.total.into_scalar::<f32>(), 0.75);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Nll {
    config: NllConfig,
}

impl Nll {
    /// The loss with these settings.
    ///
    /// # Errors
    /// When [`NllConfig::validate`] finds a problem.
    pub fn new(config: NllConfig) -> Result<Self, SftError> {
        let problems = config.validate();
        if problems.is_empty() { Ok(Self { config }) } else { Err(SftError::Config { problems }) }
    }

    /// The settings.
    pub fn config(&self) -> &NllConfig {
        &self.config
    }

    fn per_token(&self, stats: &TokenStats, view: &View<'_>) -> Result<Tensor<2>, ObjectiveError> {
        let logprobs = view.visible("logprobs", &stats.logprobs)?;
        if !self.config.smooths() {
            return Ok(nll(logprobs));
        }
        let mean = view.required("mean_logprob", &stats.mean_logprob, NAME)?;
        Ok(smoothed_nll(logprobs, mean, self.config.label_smoothing))
    }
}

impl Stateful for Nll {}

impl Objective for Nll {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        self.config.needs()
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        _context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let per_token = self.per_token(stats, &View::of(&targets.mask))?;
        let how = Aggregation::TokenMean;
        Ok(reduced(per_token, how, stats, targets, counts, Vec::new())?)
    }

    /// `-weight / N`; with smoothing the loss depends on more than the log-probability.
    fn known_coefficients(&self, targets: &Targets, counts: &Counts) -> Option<Tensor<2>> {
        if self.config.smooths() {
            return None;
        }
        let shares = Aggregation::TokenMean.weights(targets.mask.clone(), Some(counts)).neg();
        match &targets.weights {
            // Of weights that don't fit, the loss itself gives the error.
            Some(weights) => {
                View::of(&targets.mask).visible("weights", weights).ok().map(|w| shares * w)
            }
            None => Some(shares),
        }
    }
}
