//! Dynamic fine-tuning: each token's likelihood, weighted by its own probability.
//!
//! ```text
//! loss = -stop(exp(logprob)) logprob
//! ```
//!
//! Wu et al., "On the Generalization of SFT: A Reinforcement Learning Perspective with Reward
//! Rectification" (2025); TRL's `dft_loss`. The gradient is `-p` instead of `-1`: what the model finds
//! unlikely is hardly learned, so the learning rate is usually higher than for the likelihood.

use crate::columns::{View, reduced};
use burn::tensor::Tensor;
use refire_core::{BoxError, Stateful};
use refire_objective::{Aggregation, Counts, Loss, Objective, StepContext, Targets, TokenStats};

/// The loss per token, `[batch, time]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::dft;
/// let logprobs = Tensor::<2>::from_data([[0.5_f32.ln()]], &Device::flex());
/// assert!((dft(logprobs).into_scalar::<f32>() - 0.34657).abs() < 1e-5);
/// ```
pub fn dft(logprobs: Tensor<2>) -> Tensor<2> {
    (logprobs.clone().detach().exp() * logprobs).neg()
}

/// [`dft`] as an [`Objective`]: a mean over the tokens of the step, with token weights.
///
/// Metrics: `loss`, and `entropy` where it was computed; both are means over tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
/// use refire_sft::loss::Dft;
/// let device = Device::flex();
/// let stats = TokenStats::from_logprobs(Tensor::zeros([1, 2], &device));
/// let targets = Targets::new(Tensor::ones([1, 2], &device));
/// let counts = Counts::of([[true, true]], 1);
/// let loss = Dft.loss(&stats, &targets, &StepContext::empty(), &counts)?;
/// assert_eq!(loss.total.into_scalar::<f32>(), 0.0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dft;

impl Stateful for Dft {}

impl Objective for Dft {
    fn name(&self) -> &'static str {
        "dft"
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        _context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let per_token = dft(View::of(&targets.mask).visible("logprobs", &stats.logprobs)?);
        let how = Aggregation::TokenMean;
        Ok(reduced(per_token, how, stats, targets, counts, Vec::new())?)
    }
}
