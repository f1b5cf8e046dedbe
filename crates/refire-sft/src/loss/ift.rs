//! Intuitive fine-tuning: a token counts for what went wrong up to it.
//!
//! ```text
//! e_t    = -logprob_t / n                    n: tokens of the row
//! c_t    = sum_{i <= t} gamma^(t - i) e_i    past; from the other end: future
//! w_t    = f(c_t + floor)                    f: 1/c, 1/c^2, exp(1/c), 1/log(1 + c); floor: least c
//!        = f(c_t)                            future: c, c^2, exp(c), log(1 + c)
//! loss_t = -logprob_t w_t                    w scaled to mean 1 over the row; gamma = 0: w = 1
//! ```
//!
//! Hua et al., "Intuitive Fine-Tuning" (2024); TsinghuaC3I/Intuitive-Fine-Tuning. Rows are means, and
//! the loss is the mean over rows. The log-probabilities are those of a second pass, whose inputs
//! are `(1 - lambda)` of each token's embedding and `lambda` of the one the model would have written
//! there: that is the model's side; [`IftConfig::lambda`] says how much. The weights carry a gradient
//! unless they are detached, as in the authors' code. Its floor is the least `c` of the batch, ours
//! of the row, so that rows don't depend on their company.

use crate::SftError;
use crate::columns::{View, reduced};
use crate::error::unless;
use burn::tensor::{Bool, Tensor};
use refire_core::{BoxError, Purpose, Stateful, Stream};
use refire_objective::{
    Aggregation, Counts, Loss, Objective, RowCount, Scope, StepContext, Targets, TokenStats,
};
use serde::{Deserialize, Serialize};

const NAME: &str = "ift";
/// Least sum that a weight divides by: a row learned by heart has losses of 0.
const LEAST: f64 = 1e-6;

/// Which losses a token answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Those up to it: later tokens of a lost row count less. The authors' `right`.
    #[default]
    Past,
    /// Those from it on: early tokens count more. The authors' `left`.
    Future,
}

/// How sharply weights follow the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharpness {
    /// By their logarithm.
    Log,
    /// In proportion.
    #[default]
    L1,
    /// By their square.
    L2,
    /// Exponentially.
    Softmax,
}

/// Settings of [`Ift`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IftConfig {
    /// Discount, from 0 (plain likelihood) to 1.
    pub gamma: f64,
    /// Which losses a token answers for.
    pub side: Side,
    /// How sharply.
    pub sharpness: Sharpness,
    /// Keep the weights out of the gradient.
    pub detach: bool,
    /// Share of the model's own token in each input embedding when training begins, from 0 to 1.
    pub min_lambda: f64,
    /// The same after the warm-up.
    pub max_lambda: f64,
    /// Steps of linear warm-up between them.
    pub warmup_steps: u64,
    /// Deviation of a normal disturbance of the share, relative to it.
    pub disturbance: f64,
}

impl Default for IftConfig {
    /// The authors' discount of 0.95 and a share of 0.2, constant and undisturbed.
    fn default() -> Self {
        Self {
            gamma: 0.95,
            side: Side::Past,
            sharpness: Sharpness::L1,
            detach: false,
            min_lambda: 0.2,
            max_lambda: 0.2,
            warmup_steps: 0,
            disturbance: 0.0,
        }
    }
}

impl IftConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        let (min, max) = (self.min_lambda, self.max_lambda);
        let disturbance = self.disturbance.is_finite() && self.disturbance >= 0.0;
        [
            unless(unit(self.gamma), "gamma", self.gamma, "from 0 to 1"),
            unless(unit(min), "min_lambda", min, "from 0 to 1"),
            unless(unit(max), "max_lambda", max, "from 0 to 1"),
            unless(disturbance, "disturbance", self.disturbance, "0 or a positive number"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Ift, SftError> {
        SftError::collect(self.validate())?;
        Ok(Ift { config: *self })
    }

    /// The share of the model's own token at a step, from 0 to 1; its disturbance is keyed by seed
    /// and step.
    ///
    /// ```
    /// use refire_sft::loss::IftConfig;
    /// let config =
    ///     IftConfig { min_lambda: 0.0, max_lambda: 0.4, warmup_steps: 4, ..Default::default() };
    /// assert_eq!([0, 1, 4, 9].map(|step| config.lambda(7, step)), [0.0, 0.1, 0.4, 0.4]);
    /// ```
    pub fn lambda(&self, seed: u64, step: u64) -> f64 {
        let done =
            if step < self.warmup_steps { step as f64 / self.warmup_steps as f64 } else { 1.0 };
        let lambda = self.min_lambda + (self.max_lambda - self.min_lambda) * done;
        if self.disturbance == 0.0 {
            return lambda;
        }
        let normal = Stream::new(seed, Purpose::named("ift"), step, 0, 0).normal();
        (lambda * (1.0 + normal * self.disturbance)).clamp(0.0, 1.0)
    }
}

/// The weights, `[batch, time]`: 0 at masked positions, mean 1 over each row's others.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::{IftConfig, Side, ift_weights};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -3.0]], &device);
/// let mask = Tensor::<2>::ones([1, 2], &device);
/// let config = IftConfig { gamma: 1.0, side: Side::Future, ..Default::default() };
/// let weights = ift_weights(logprobs, mask, &config).into_data().to_vec::<f32>()?;
/// assert!((weights[0] - 8.0 / 7.0).abs() < 1e-6 && (weights[1] - 6.0 / 7.0).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ift_weights(logprobs: Tensor<2>, mask: Tensor<2>, config: &IftConfig) -> Tensor<2> {
    if config.gamma == 0.0 || mask.dims().contains(&0) {
        return mask;
    }
    let logprobs = if config.detach { logprobs.detach() } else { logprobs };
    let hidden = mask.clone().equal_scalar(0.0);
    let tokens = mask.clone().sum_dim(1).clamp_min(1.0);
    let losses = logprobs.neg().mask_fill(hidden.clone(), 0.0) / tokens.clone();
    let weights = match config.side {
        Side::Past => {
            let sums = discounted(losses, config.gamma);
            let least = sums.clone().mask_fill(hidden.clone(), 1e30).min_dim(1);
            let sums = sums + least.clamp(LEAST, 1e30);
            let inverse = sums.clone().recip();
            match config.sharpness {
                Sharpness::Log => (sums + 1.0).log().recip(),
                Sharpness::L1 => inverse,
                Sharpness::L2 => inverse.clone() * inverse,
                Sharpness::Softmax => exponential(inverse, &hidden),
            }
        }
        Side::Future => {
            let sums = discounted(losses.flip([1]), config.gamma).flip([1]);
            match config.sharpness {
                Sharpness::Log => (sums + 1.0).log(),
                Sharpness::L1 => sums,
                Sharpness::L2 => sums.clone() * sums,
                Sharpness::Softmax => exponential(sums, &hidden),
            }
        }
    };
    let weights = weights.mask_fill(hidden, 0.0);
    let sum = weights.clone().sum_dim(1).clamp_min(f64::from(f32::MIN_POSITIVE));
    weights * (tokens / sum)
}

/// `exp(x)` up to a factor per row.
fn exponential(x: Tensor<2>, hidden: &Tensor<2, Bool>) -> Tensor<2> {
    let most = x.clone().detach().mask_fill(hidden.clone(), -1e30).max_dim(1);
    (x - most).mask_fill(hidden.clone(), 0.0).exp()
}

/// `c_t = x_t + gamma c_(t-1)`, in as many additions as the length has bits.
fn discounted(x: Tensor<2>, gamma: f64) -> Tensor<2> {
    let [rows, time] = x.dims();
    let (mut sums, mut reach) = (x, 1);
    while reach < time {
        let zeros = sums.clone().detach().narrow(1, 0, reach).zeros_like();
        let earlier = Tensor::cat(vec![zeros, sums.clone().narrow(1, 0, time - reach)], 1);
        sums = sums + earlier.reshape([rows, time]) * gamma.powi(reach as i32);
        reach *= 2;
    }
    sums
}

/// The loss per token, `[batch, time]`, to be reduced as a mean over rows of means over tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::{IftConfig, ift};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -3.0]], &device);
/// let mask = Tensor::<2>::ones([1, 2], &device);
/// let plain = IftConfig { gamma: 0.0, ..Default::default() };
/// assert_eq!(ift(logprobs, mask, &plain).into_data().to_vec::<f32>()?, [1.0, 3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ift(logprobs: Tensor<2>, mask: Tensor<2>, config: &IftConfig) -> Tensor<2> {
    ift_weights(logprobs.clone(), mask, config) * logprobs.neg()
}

/// [`ift`] as an [`Objective`]. Token weights multiply it.
///
/// Metrics: `loss`, and `entropy` where it was computed; both are means over tokens.
///
/// ```
/// use refire_objective::{Objective, Scope};
/// use refire_sft::loss::IftConfig;
/// assert_eq!(IftConfig::default().build()?.scope(), Scope::Row);
/// # Ok::<(), refire_sft::SftError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ift {
    config: IftConfig,
}

impl Ift {
    /// The settings.
    pub fn config(&self) -> &IftConfig {
        &self.config
    }
}

impl Stateful for Ift {}

impl Objective for Ift {
    fn name(&self) -> &'static str {
        NAME
    }

    fn scope(&self) -> Scope {
        Scope::Row
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        _context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let logprobs = View::of(&targets.mask).visible("logprobs", &stats.logprobs)?;
        let mask = targets.mask.clone().cast(logprobs.dtype());
        let per_token = ift(logprobs, mask, &self.config);
        let how = Aggregation::seq_mean_token_mean(RowCount::All);
        Ok(reduced(per_token, how, stats, targets, counts, Vec::new())?)
    }
}
