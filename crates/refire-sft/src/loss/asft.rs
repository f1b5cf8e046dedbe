//! Anchored fine-tuning: a likelihood term, and a divergence over the whole vocabulary that ties the
//! model to where it started.
//!
//! ```text
//! asft      = dft(logprob) + kl_weight KL
//! sft+kl    = -logprob     + kl_weight KL
//! ```
//!
//! Zhu et al., "Anchored Supervised Fine-Tuning" (2025). Its code (zhuchichi56/ASFT) computes
//! KL(reference || policy), which some descriptions turn round: the direction is a setting, and
//! forward is the default. The gradient flows through the divergence in full.

use super::{dft, nll};
use crate::SftError;
use crate::columns::{View, reduced};
use crate::error::unless;
use burn::tensor::Tensor;
use refire_core::{BoxError, KlDirection, Needs, Stateful};
use refire_objective::{Aggregation, Counts, Loss, Objective, StepContext, Targets, TokenStats};
use serde::{Deserialize, Serialize};

const NAME: &str = "asft";

/// What is anchored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchored {
    /// [`dft`].
    #[default]
    Dft,
    /// [`nll`]: "sft+kl".
    Nll,
}

/// The loss per token, `[batch, time]`; `full_kl` is the divergence of each token's distributions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::{Anchored, asft};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0]], &device);
/// let kl = Tensor::<2>::from_data([[0.5]], &device);
/// assert_eq!(asft(logprobs, kl, Anchored::Nll, 0.1).into_scalar::<f32>(), 1.05);
/// ```
pub fn asft(
    logprobs: Tensor<2>,
    full_kl: Tensor<2>,
    anchored: Anchored,
    kl_weight: f64,
) -> Tensor<2> {
    let likelihood = match anchored {
        Anchored::Dft => dft(logprobs),
        Anchored::Nll => nll(logprobs),
    };
    likelihood + full_kl * kl_weight
}

/// Settings of [`Asft`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AsftConfig {
    /// The likelihood term.
    pub anchored: Anchored,
    /// Weight of the divergence, 0 or above.
    pub kl_weight: f64,
    /// Which divergence from the reference.
    pub direction: KlDirection,
}

impl Default for AsftConfig {
    /// zhuchichi56/ASFT: KL(reference || policy) with weight 0.1.
    fn default() -> Self {
        Self { anchored: Anchored::Dft, kl_weight: 0.1, direction: KlDirection::Forward }
    }
}

impl AsftConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        let fine = self.kl_weight.is_finite() && self.kl_weight >= 0.0;
        unless(fine, "kl_weight", self.kl_weight, "0 or a positive number").into_iter().collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Asft, SftError> {
        SftError::collect(self.validate())?;
        Ok(Asft { config: *self })
    }
}

/// [`asft`] as an [`Objective`]: a mean over the tokens of the step, with token weights.
///
/// Metrics: `loss`, `kl`, and `entropy` where it was computed; all are means over tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
/// use refire_sft::loss::AsftConfig;
/// let device = Device::flex();
/// let mut stats = TokenStats::from_logprobs(Tensor::zeros([1, 1], &device));
/// stats.full_kl = Some(Tensor::from_data([[2.0]], &device));
/// let targets = Targets::new(Tensor::ones([1, 1], &device));
/// let counts = Counts::of([[true]], 1);
/// let asft = AsftConfig::default().build()?;
/// let loss = asft.loss(&stats, &targets, &StepContext::empty(), &counts)?;
/// assert_eq!(loss.total.into_scalar::<f32>(), 0.2);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asft {
    config: AsftConfig,
}

impl Asft {
    /// The settings.
    pub fn config(&self) -> &AsftConfig {
        &self.config
    }
}

impl Stateful for Asft {}

impl Objective for Asft {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        Needs { full_kl: Some(self.config.direction), ..Needs::NONE }
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
        let per_token = asft(logprobs, kl.clone(), self.config.anchored, self.config.kl_weight);
        let how = Aggregation::TokenMean;
        Ok(reduced(per_token, how, stats, targets, counts, vec![("kl", kl)])?)
    }
}
