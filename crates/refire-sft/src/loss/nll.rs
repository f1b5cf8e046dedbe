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

use crate::{NllConfig, SftError};
use burn::tensor::{Bool, Tensor};
use refire_core::{BoxError, Metric, Needs, Stateful};
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
        let mean = Targets::require(&stats.mean_logprob, "mean_logprob", NAME)?;
        let mean = view.visible("mean_logprob", mean)?;
        Ok(smoothed_nll(logprobs, mean, self.config.label_smoothing))
    }
}

/// The mask in force, and where it is 0.
struct View<'a> {
    mask: &'a Tensor<2>,
    hidden: Tensor<2, Bool>,
}

impl<'a> View<'a> {
    fn of(mask: &'a Tensor<2>) -> Self {
        Self { mask, hidden: mask.clone().equal_scalar(0.0) }
    }

    /// The column with zeros at masked positions, where it may hold anything.
    fn visible(&self, what: &'static str, column: &Tensor<2>) -> Result<Tensor<2>, ObjectiveError> {
        let (found, expected) = (column.dims(), self.mask.dims());
        if found != expected {
            let (found, expected) = (found.to_vec(), expected.to_vec());
            return Err(ObjectiveError::Shape { what, found, expected });
        }
        Ok(column.clone().mask_fill(self.hidden.clone(), 0.0))
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
        let view = View::of(&targets.mask);
        let mut per_token = self.per_token(stats, &view)?;
        if let Some(weights) = &targets.weights {
            per_token = per_token * view.visible("weights", weights)?;
        }
        let entropy = stats.entropy.as_ref().map(|h| view.visible("entropy", h)).transpose()?;
        let columns = [("loss", Some(per_token.clone())), ("entropy", entropy)];
        let metrics = token_means(&targets.mask, columns);
        let mask = targets.mask.clone();
        let total = Aggregation::TokenMean.reduce(per_token, mask, Some(counts));
        Ok(Loss { total, metrics })
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

/// Means over tokens of columns that are 0 at masked positions, in one read from the device.
fn token_means(mask: &Tensor<2>, columns: [(&'static str, Option<Tensor<2>>); 2]) -> Vec<Metric> {
    let columns: Vec<_> = columns.into_iter().filter_map(|(n, c)| Some((n, c?))).collect();
    let sums = columns.iter().map(|(_, column)| column.clone().inner().sum());
    let sums: Vec<_> = sums.chain([mask.clone().inner().sum()]).collect();
    let sums: Vec<f64> = Tensor::cat(sums, 0).into_data().iter::<f64>().collect();
    let tokens = sums.last().copied().unwrap_or(0.0);
    columns.iter().zip(sums).map(|((name, _), sum)| Metric::mean(*name, sum, tokens)).collect()
}
