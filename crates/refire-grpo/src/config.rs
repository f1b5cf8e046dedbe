use crate::control::{AdaptiveEntropyConfig, AdaptiveKlConfig};
use crate::correction::Correction;
use crate::loss::{LogRatioClamp, LossKind, RatioBase, RatioLevel, Surrogate, not_negative};
use crate::{GrpoError, PolicyLoss};
use refire_core::Needs;
use refire_objective::{Aggregation, KlClamp, KlEstimator};
use serde::{Deserialize, Serialize};

/// What the KL term compares the policy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlBase {
    /// The frozen reference.
    #[default]
    Reference,
    /// The base of the ratio: the step's first weights or the sampler. prime-rl and Kimi hold the
    /// policy so, without a reference.
    Ratio,
}

/// Settings of [`PolicyLoss`](crate::PolicyLoss).
///
/// ```text
/// loss = aggregate(keep * weight * surrogate + kl_beta * KL) - entropy_coef * mean(H)
/// ```
///
/// A method is a choice of these: the surrogate is the trust region, and the rest goes with any of
/// them.
///
/// ```
/// use refire_grpo::PolicyLossConfig;
/// let config: PolicyLossConfig = serde_json::from_str(
///     r#"{"surrogate": {"kind": "sapo"}, "kl_beta": 0.04, "aggregation": {"kind": "token_mean"}}"#,
/// )?;
/// assert!(config.validate().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyLossConfig {
    /// The loss per token.
    pub surrogate: LossKind,
    /// What one ratio covers.
    pub ratio: RatioLevel,
    /// What the ratio compares the policy with.
    pub ratio_base: RatioBase,
    /// Bounds on the log-ratio, without gradient outside.
    pub log_ratio_clamp: LogRatioClamp,
    /// How the mismatch of trainer and sampler is corrected.
    pub correction: Option<Correction>,
    /// Weight of the KL divergence; 0 needs no reference.
    pub kl_beta: f64,
    /// How the KL divergence is estimated.
    pub kl_estimator: KlEstimator,
    /// Bounds on the estimate.
    pub kl_clamp: KlClamp,
    /// What it is a divergence from.
    pub kl_base: KlBase,
    /// Multiply the KL by the ratio, gradient included, which makes it unbiased off-policy
    /// (DeepSeek-V3.2; TRL's `use_bias_correction_kl`).
    pub kl_bias_correction: bool,
    /// Multiply the KL by the weights too, as prime-rl does with its loss weights.
    pub kl_weighted: bool,
    /// Steer `kl_beta` to a target, from the divergence at each step's start.
    pub kl_controller: Option<AdaptiveKlConfig>,
    /// How tokens become one number.
    pub aggregation: Aggregation,
    /// Weight of the mean entropy, which is maximised.
    pub entropy_coef: f64,
    /// Apply `entropy_coef` where entropy is low, and let it grow there.
    pub entropy_controller: Option<AdaptiveEntropyConfig>,
    /// Keep the surrogate of this fraction of tokens only, those of highest entropy over the
    /// step. The KL still covers all.
    pub top_entropy: Option<f64>,
    /// Drop the surrogate of bad rows whose tokens became less likely by more than this on
    /// average; see [`off_policy_mask`](crate::mask::off_policy_mask).
    pub off_policy_threshold: Option<f64>,
}

impl Default for PolicyLossConfig {
    /// TRL 1.16's `GRPOConfig`: PPO's clip at 0.2 on both sides, no KL, mean over tokens; and the
    /// clamp of log-ratios to 20 that verl and OpenRLHF have.
    fn default() -> Self {
        Self {
            surrogate: LossKind::default(),
            ratio: RatioLevel::Token,
            ratio_base: RatioBase::Old,
            log_ratio_clamp: LogRatioClamp::both(20.0),
            correction: None,
            kl_beta: 0.0,
            kl_estimator: KlEstimator::K3,
            kl_clamp: KlClamp::NONE,
            kl_base: KlBase::Reference,
            kl_bias_correction: false,
            kl_weighted: false,
            kl_controller: None,
            aggregation: Aggregation::TokenMean,
            entropy_coef: 0.0,
            entropy_controller: None,
            top_entropy: None,
            off_policy_threshold: None,
        }
    }
}

impl PolicyLossConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let parts = self.surrogate.validate().into_iter().chain(self.log_ratio_clamp.validate());
        let correction = self.correction.iter().flat_map(Correction::validate);
        let controllers = self.kl_controller.iter().flat_map(AdaptiveKlConfig::validate);
        let controllers = controllers
            .chain(self.entropy_controller.iter().flat_map(AdaptiveEntropyConfig::validate));
        let shared = self.aggregation.validate().into_iter().chain(self.kl_clamp.validate());
        parts
            .chain(correction)
            .chain(controllers)
            .chain(self.own_problems())
            .chain(self.conflicts())
            .chain(shared.map(GrpoError::Objective))
            .collect()
    }

    fn own_problems(&self) -> impl Iterator<Item = GrpoError> {
        let fraction = self.top_entropy.is_none_or(|x| (0.0..=1.0).contains(&x));
        let threshold = self.off_policy_threshold.is_none_or(f64::is_finite);
        let show = |x: Option<f64>| x.unwrap_or_default();
        let finite = "a finite number";
        [
            not_negative("kl_beta", self.kl_beta),
            GrpoError::unless(
                self.entropy_coef.is_finite(),
                "entropy_coef",
                self.entropy_coef,
                finite,
            ),
            GrpoError::unless(fraction, "top_entropy", show(self.top_entropy), "from 0 to 1"),
            GrpoError::unless(
                threshold,
                "off_policy_threshold",
                show(self.off_policy_threshold),
                finite,
            ),
        ]
        .into_iter()
        .flatten()
    }

    /// Settings that are fine by themselves and not together.
    fn conflicts(&self) -> impl Iterator<Item = GrpoError> {
        let no_kl = self.kl_beta == 0.0;
        let by_token = matches!(
            self.surrogate,
            LossKind::KlCov(_)
                | LossKind::DppoTv(_)
                | LossKind::Distillation(_)
                | LossKind::Gmpo(_)
                | LossKind::Vespo(_)
                | LossKind::Kimi(_)
                | LossKind::Copg(_)
        );
        [
            GrpoError::conflict(
                no_kl && self.kl_bias_correction,
                "`kl_bias_correction` is on and `kl_beta` is 0",
                "set `kl_beta`, or turn the correction off",
            ),
            GrpoError::conflict(
                no_kl && self.kl_controller.is_some(),
                "a `kl_controller` can't move a `kl_beta` of 0",
                "set `kl_beta` to where it should start",
            ),
            GrpoError::conflict(
                self.kl_controller.is_some() && self.kl_base == KlBase::Ratio,
                "the `kl_controller` measures the divergence from the reference",
                "set `kl_base` to reference, or remove the controller",
            ),
            GrpoError::conflict(
                by_token && self.ratio.is_shared(),
                "this surrogate makes its own ratio",
                "set `ratio` to token",
            ),
            GrpoError::conflict(
                self.ratio_base == RatioBase::Behaviour
                    && self.correction.as_ref().is_some_and(|c| c.importance.is_some()),
                "the ratio to the sampler and importance weights correct the same mismatch twice",
                "set `ratio_base` to old, or remove `correction.importance`",
            ),
            GrpoError::conflict(
                matches!(self.surrogate, LossKind::Copg(_) | LossKind::Kimi(_))
                    && !matches!(self.aggregation, Aggregation::SeqMeanTokenMean { .. }),
                "this surrogate's loss belongs to rows, and stands at each of their tokens",
                "set `aggregation` to seq_mean_token_mean",
            ),
        ]
        .into_iter()
        .flatten()
    }

    /// The columns and statistics that the loss reads beside log-probabilities and advantages.
    pub fn needs(&self) -> Needs {
        // What is looked at over a whole step takes a pass at its start.
        let by_step = self.correction.is_some()
            || self.selects()
            || self.kl_controller.is_some()
            || self.top_entropy.is_some()
            || self.entropy_controller.is_some();
        Needs {
            ref_logprobs: self.reads_reference(),
            entropy: self.has_entropy_bonus() || self.top_entropy.is_some(),
            old_logprobs: by_step,
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
        self.entropy_coef != 0.0 || self.entropy_controller.is_some()
    }

    pub(crate) fn has_kl(&self) -> bool {
        self.kl_beta != 0.0
    }

    /// Whether a choice over the whole step marks tokens for the surrogate.
    pub(crate) fn selects(&self) -> bool {
        matches!(self.surrogate, LossKind::ClipCov(_) | LossKind::KlCov(_))
    }

    pub(crate) fn reads_reference(&self) -> bool {
        let by_kl = self.has_kl() && self.kl_base == KlBase::Reference;
        by_kl || self.surrogate.reads_reference()
    }
}
