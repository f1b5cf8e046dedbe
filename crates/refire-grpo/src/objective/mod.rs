mod entropy_mask;
mod inputs;
mod metrics;

use crate::loss::{RatioLevel, clipped_surrogate};
use crate::mask::off_policy_mask;
use crate::{GrpoError, PolicyLossConfig};
use burn::tensor::Tensor;
use entropy_mask::EntropyMask;
use inputs::Inputs;
use metrics::Measured;
use refire_core::{BoxError, Needs, Stateful, StepView};
use refire_objective::{
    Aggregation, Counts, Loss, Objective, ObjectiveError, Scope, StepContext, Targets, TokenStats,
};

/// The name in errors and logs.
const NAME: &str = "policy_loss";

/// The clipped policy-gradient loss as an [`Objective`]: GRPO, DAPO, Dr.GRPO and the like.
///
/// Advantages are required. Without `old_logprobs` the update is on-policy and the ratio is
/// exactly 1, with the gradient of the log-probability. `weights` multiply the surrogate, not the
/// KL, as the peers do with importance weights. What stands at masked positions has no influence,
/// whatever it is.
///
/// Metrics, by their names in TRL: `clip_ratio/low_mean`, `clip_ratio/high_mean` and
/// `clip_ratio/region_mean` (fraction of tokens, or of rows with [`RatioLevel::Sequence`], that
/// the clip range holds back), `kl`, `entropy`, and `policy_loss` (the loss without the entropy
/// bonus).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::{PolicyLoss, PolicyLossConfig};
/// use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
///
/// let device = Device::flex().autodiff();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -2.0]], &device).require_grad();
/// let mut targets = Targets::new(Tensor::from_data([[1.0, 1.0]], &device));
/// targets.advantages = Some(Tensor::from_data([[0.5, 0.5]], &device));
///
/// let objective = PolicyLoss::new(PolicyLossConfig::default())?;
/// let stats = TokenStats::from_logprobs(logprobs.clone());
/// let counts = Counts::of([[true, true]], 1);
/// let loss = objective.loss(&stats, &targets, &StepContext::empty(), &counts)?;
/// let gradient = logprobs.grad(&loss.total.backward()).map(|g| g.into_data().to_vec::<f32>());
/// assert_eq!(gradient.transpose()?, Some(vec![-0.25, -0.25]));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyLoss {
    config: PolicyLossConfig,
}

impl PolicyLoss {
    /// The loss with these settings.
    ///
    /// # Errors
    /// When [`PolicyLossConfig::validate`] finds a problem.
    pub fn new(config: PolicyLossConfig) -> Result<Self, GrpoError> {
        GrpoError::collect(config.validate())?;
        Ok(Self { config })
    }

    /// The settings.
    pub fn config(&self) -> &PolicyLossConfig {
        &self.config
    }

    fn log_ratio(&self, inputs: &Inputs) -> Tensor<2> {
        let old = inputs.old_or_current();
        let mask = inputs.mask.clone();
        let log_ratio = self.config.ratio.log_ratio(inputs.logprobs.clone(), old, mask);
        match self.config.log_ratio_clamp {
            Some(bound) => log_ratio.clamp(-bound, bound),
            None => log_ratio,
        }
    }

    /// `[rows, time]`: the clipped loss of the tokens that are kept, weighted.
    fn surrogate(&self, inputs: &Inputs, ratio: Tensor<2>, keep: Option<Tensor<2>>) -> Tensor<2> {
        let options = self.config.clip_options();
        let mut loss = clipped_surrogate(ratio, inputs.advantages.clone(), &options);
        if let Some(threshold) = self.config.off_policy_threshold {
            loss = loss
                * off_policy_mask(
                    inputs.logprobs.clone(),
                    inputs.sampler_or_old(),
                    inputs.advantages.clone(),
                    inputs.mask.clone(),
                    threshold,
                );
        }
        [keep, inputs.weights.clone()].into_iter().flatten().fold(loss, |loss, w| loss * w)
    }

    fn kl(&self, inputs: &Inputs, ratio: &Tensor<2>) -> Result<Option<Tensor<2>>, ObjectiveError> {
        if !self.config.has_kl() {
            return Ok(None);
        }
        let reference = Targets::require(&inputs.ref_logprobs, "ref_logprobs", NAME)?.clone();
        let kl = self.config.kl_estimator.per_token(inputs.logprobs.clone(), reference);
        Ok(Some(if self.config.kl_bias_correction { kl * ratio.clone() } else { kl }))
    }

    /// `[1]`: this micro-batch's share of the mean entropy over the step's `tokens` that are kept.
    fn mean_entropy(
        &self,
        inputs: &Inputs,
        keep: Option<Tensor<2>>,
        tokens: f64,
    ) -> Result<Tensor<1>, ObjectiveError> {
        let entropy = Targets::require(&inputs.entropy, "entropy", NAME)?.clone();
        let seen = keep.into_iter().fold(inputs.mask.clone(), |mask, keep| mask * keep);
        Ok((entropy * seen).sum() * tokens.max(1.0).recip())
    }

    fn is_plain(&self) -> bool {
        let config = &self.config;
        config.ratio == RatioLevel::Token
            && !config.has_kl()
            && !config.has_entropy_bonus()
            && config.top_entropy.is_none()
            && config.off_policy_threshold.is_none()
    }
}

impl Stateful for PolicyLoss {}

impl Objective for PolicyLoss {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        self.config.needs()
    }

    fn scope(&self) -> Scope {
        if self.config.aggregation == Aggregation::TokenMeanLocal {
            // The mean depends on the split: siblings at least stay together, as in TRL.
            return Scope::Group;
        }
        let by_token = self.config.ratio == RatioLevel::Token
            && self.config.off_policy_threshold.is_none()
            && !matches!(self.config.aggregation, Aggregation::SeqMeanTokenMean { .. });
        if by_token { Scope::Token } else { Scope::Row }
    }

    fn prepare(&mut self, step: &StepView<'_>) -> Result<StepContext, BoxError> {
        match self.config.top_entropy {
            Some(fraction) => Ok(StepContext::new(EntropyMask::of_step(step, fraction)?)),
            None => Ok(StepContext::empty()),
        }
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        if targets.mask.dims()[0] == 0 {
            // Tensors without rows can't be broadcast; the sum of nothing keeps its graph.
            return Ok(Loss { total: stats.logprobs.clone().sum(), metrics: Vec::new() });
        }
        let inputs = Inputs::gather(stats, targets)?;
        let entropy_mask = EntropyMask::find(context, self.config.top_entropy)?;
        let keep = entropy_mask.map(|mask| mask.rows(targets)).transpose()?;

        let ratio = self.log_ratio(&inputs).exp();
        let kl = self.kl(&inputs, &ratio)?;
        let surrogate = self.surrogate(&inputs, ratio.clone(), keep.clone());
        let per_token = match &kl {
            Some(kl) => surrogate + kl.clone() * self.config.kl_beta,
            None => surrogate,
        };
        let mask = inputs.mask.clone();
        let policy_loss = self.config.aggregation.reduce(per_token, mask, Some(counts));
        let total = if self.config.has_entropy_bonus() {
            let tokens = entropy_mask.map_or(counts.tokens, EntropyMask::kept);
            let entropy = self.mean_entropy(&inputs, keep, tokens)?;
            policy_loss.clone() - entropy * self.config.entropy_coef
        } else {
            policy_loss.clone()
        };
        let metrics =
            Measured { inputs: &inputs, ratio, kl, policy_loss }.metrics(&self.config, counts);
        Ok(Loss { total, metrics })
    }

    /// On the first update of a step, where the ratio is 1: `-A * weight` of each token.
    fn known_coefficients(&self, targets: &Targets, counts: &Counts) -> Option<Tensor<2>> {
        if !self.is_plain() || targets.old_logprobs.is_some() {
            return None;
        }
        let hidden = targets.mask.clone().equal_scalar(0.0);
        // Of columns that don't fit, the loss itself gives the error.
        let visible = |column: Tensor<2>| {
            let fits = column.dims() == targets.mask.dims();
            fits.then(|| column.mask_fill(hidden.clone(), 0.0))
        };
        let shares = self.config.aggregation.weights(targets.mask.clone(), Some(counts));
        let coefficients = shares * visible(targets.advantages.clone()?)?.neg();
        match targets.weights.clone() {
            Some(weights) => Some(coefficients * visible(weights)?),
            None => Some(coefficients),
        }
    }
}
