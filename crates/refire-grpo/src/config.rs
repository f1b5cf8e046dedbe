use crate::loss::{ClipOptions, ClipRange, RatioLevel};
use crate::{GrpoError, PolicyLoss};
use refire_core::Needs;
use refire_objective::{Aggregation, KlEstimator};
use serde::{Deserialize, Serialize};

/// Settings of [`PolicyLoss`](crate::PolicyLoss).
///
/// ```text
/// surrogate = max(-A min(r, delta), -A clip(r, 1 - low, 1 + high)), at most -A dual_clip if A < 0
/// loss      = aggregate(keep * weight * surrogate + kl_beta * KL) - entropy_coef * mean(H)
/// ```
///
/// ```
/// use refire_grpo::PolicyLossConfig;
/// let config: PolicyLossConfig =
///     serde_json::from_str(r#"{"kl_beta": 0.04, "aggregation": {"kind": "token_mean"}}"#)?;
/// assert!(config.validate().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyLossConfig {
    /// How far the ratio may move before its gradient stops.
    pub clip_range: ClipRange,
    /// Bound on the loss of bad tokens, in units of `-A`; above 1.
    pub dual_clip: Option<f64>,
    /// Bound on the unclipped ratio; above `1 + clip_range.high`.
    pub delta: Option<f64>,
    /// What one ratio covers.
    pub ratio: RatioLevel,
    /// Log-ratios are clamped to plus or minus this, without gradient outside.
    pub log_ratio_clamp: Option<f64>,
    /// Weight of the KL divergence to the reference; 0 needs no reference.
    pub kl_beta: f64,
    /// How the KL divergence is estimated.
    pub kl_estimator: KlEstimator,
    /// Multiply the KL by the ratio, gradient included, which makes it unbiased off-policy
    /// (DeepSeek-V3.2; TRL's `use_bias_correction_kl`).
    pub kl_bias_correction: bool,
    /// How tokens become one number.
    pub aggregation: Aggregation,
    /// Weight of the mean entropy, which is maximised.
    pub entropy_coef: f64,
    /// Keep the surrogate of this fraction of tokens only, those of highest entropy over the
    /// step. The KL still covers all.
    pub top_entropy: Option<f64>,
    /// Drop the surrogate of bad rows whose tokens became less likely by more than this on
    /// average; see [`off_policy_mask`](crate::mask::off_policy_mask).
    pub off_policy_threshold: Option<f64>,
}

impl Default for PolicyLossConfig {
    /// TRL 1.16's `GRPOConfig`: 0.2 on both sides, no KL, mean over tokens; and the clamp of
    /// log-ratios to 20 that verl and OpenRLHF have.
    fn default() -> Self {
        Self {
            clip_range: ClipRange::default(),
            dual_clip: None,
            delta: None,
            ratio: RatioLevel::Token,
            log_ratio_clamp: Some(20.0),
            kl_beta: 0.0,
            kl_estimator: KlEstimator::K3,
            kl_bias_correction: false,
            aggregation: Aggregation::TokenMean,
            entropy_coef: 0.0,
            top_entropy: None,
            off_policy_threshold: None,
        }
    }
}

impl PolicyLossConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let weight = |x: f64| x.is_finite() && x >= 0.0;
        let clamp = self.log_ratio_clamp.is_none_or(|x| x.is_finite() && x > 0.0);
        let fraction = self.top_entropy.is_none_or(|x| (0.0..=1.0).contains(&x));
        let threshold = self.off_policy_threshold.is_none_or(f64::is_finite);
        let show = |x: Option<f64>| x.unwrap_or_default();
        let own = [
            GrpoError::unless(
                clamp,
                "log_ratio_clamp",
                show(self.log_ratio_clamp),
                "a positive number",
            ),
            GrpoError::unless(
                weight(self.kl_beta),
                "kl_beta",
                self.kl_beta,
                "0 or a positive number",
            ),
            GrpoError::unless(
                self.entropy_coef.is_finite(),
                "entropy_coef",
                self.entropy_coef,
                "a finite number",
            ),
            GrpoError::unless(fraction, "top_entropy", show(self.top_entropy), "from 0 to 1"),
            GrpoError::unless(
                threshold,
                "off_policy_threshold",
                show(self.off_policy_threshold),
                "a finite number",
            ),
        ];
        let aggregation = self.aggregation.validate().into_iter().map(GrpoError::Objective);
        let own = own.into_iter().flatten();
        self.clip_options().validate().into_iter().chain(own).chain(aggregation).collect()
    }

    pub(crate) fn clip_options(&self) -> ClipOptions {
        ClipOptions { clip_range: self.clip_range, dual_clip: self.dual_clip, delta: self.delta }
    }

    /// The columns and statistics that the loss reads beside log-probabilities and advantages.
    pub fn needs(&self) -> Needs {
        Needs {
            ref_logprobs: self.has_kl(),
            entropy: self.has_entropy_bonus() || self.top_entropy.is_some(),
            ..Needs::NONE
        }
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<PolicyLoss, GrpoError> {
        PolicyLoss::new(self.clone())
    }

    pub(crate) fn has_entropy_bonus(&self) -> bool {
        self.entropy_coef != 0.0
    }

    pub(crate) fn has_kl(&self) -> bool {
        self.kl_beta != 0.0
    }
}
