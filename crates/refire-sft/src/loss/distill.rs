//! Distillation from a teacher, on whatever rows: the data's, or the student's own.
//!
//! ```text
//! loss = D(student, teacher) + nll_weight (-logprob)        per token, over the whole vocabulary
//! ```
//!
//! `D` is the generalised Jensen-Shannon divergence of GKD (Agarwal et al. 2023; TRL), with the
//! teacher as reference: `beta = 0` is KL(teacher || student), the classical one, `beta = 1` is
//! KL(student || teacher), that of on-policy distillation and of MiniLLM's single-step part. The
//! policy computes it in its head; a temperature divides both logits and adds no factor. Which share
//! of rows the student writes (GKD's `lmbda`) is the trainer's.

use super::nll;
use crate::SftError;
use crate::columns::{View, reduced};
use crate::error::unless;
use burn::tensor::Tensor;
use refire_core::{BoxError, KlDirection, Needs, Stateful};
use refire_objective::{Aggregation, Counts, Loss, Objective, StepContext, Targets, TokenStats};
use serde::{Deserialize, Serialize};

const NAME: &str = "distill";

/// The loss per token, `[batch, time]`, from the divergence of each token's distributions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::distill;
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0]], &device);
/// let divergence = Tensor::<2>::from_data([[0.5]], &device);
/// assert_eq!(distill(logprobs, divergence, 0.5).into_scalar::<f32>(), 1.0);
/// ```
pub fn distill(logprobs: Tensor<2>, divergence: Tensor<2>, nll_weight: f64) -> Tensor<2> {
    if nll_weight == 0.0 { divergence } else { divergence + nll(logprobs) * nll_weight }
}

/// Settings of [`Distill`].
///
/// ```
/// use refire_core::KlDirection;
/// use refire_sft::loss::DistillConfig;
/// let on_policy = DistillConfig { divergence: KlDirection::Reverse, ..Default::default() };
/// assert!(on_policy.validate().is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DistillConfig {
    /// The divergence between student (policy) and teacher (reference).
    pub divergence: KlDirection,
    /// Weight of the row's own likelihood, 0 or above.
    pub nll_weight: f64,
}

impl Default for DistillConfig {
    /// Classical distillation: KL(teacher || student) alone.
    fn default() -> Self {
        Self { divergence: KlDirection::Forward, nll_weight: 0.0 }
    }
}

impl DistillConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        let fine = self.nll_weight.is_finite() && self.nll_weight >= 0.0;
        unless(fine, "nll_weight", self.nll_weight, "0 or a positive number").into_iter().collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Distill, SftError> {
        SftError::collect(self.validate())?;
        Ok(Distill { config: *self })
    }
}

/// [`distill`] as an [`Objective`]: a mean over the tokens of the step, with token weights.
///
/// Metrics: `loss`, `kl`, and `entropy` where it was computed; all are means over tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
/// use refire_sft::loss::DistillConfig;
/// let device = Device::flex();
/// let mut stats = TokenStats::from_logprobs(Tensor::zeros([1, 1], &device));
/// stats.full_kl = Some(Tensor::from_data([[2.0]], &device));
/// let targets = Targets::new(Tensor::ones([1, 1], &device));
/// let counts = Counts::of([[true]], 1);
/// let distill = DistillConfig::default().build()?;
/// let loss = distill.loss(&stats, &targets, &StepContext::empty(), &counts)?;
/// assert_eq!(loss.total.into_scalar::<f32>(), 2.0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distill {
    config: DistillConfig,
}

impl Distill {
    /// The settings.
    pub fn config(&self) -> &DistillConfig {
        &self.config
    }
}

impl Stateful for Distill {}

impl Objective for Distill {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        Needs { full_kl: Some(self.config.divergence), ..Needs::NONE }
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        _context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let view = View::of(&targets.mask);
        let logprobs = view.visible("logprobs", &stats.logprobs)?;
        let kl = view.required("full_kl", &stats.full_kl, NAME)?;
        let per_token = distill(logprobs, kl.clone(), self.config.nll_weight);
        let how = Aggregation::TokenMean;
        Ok(reduced(per_token, how, stats, targets, counts, vec![("kl", kl)])?)
    }
}
