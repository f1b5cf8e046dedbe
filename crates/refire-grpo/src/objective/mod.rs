mod chord;
mod inputs;
mod metrics;
mod step;
mod value;

pub use chord::{Chord, ChordConfig};
pub use step::PolicyStep;

use crate::control::{AdaptiveEntropy, AdaptiveKl};
use crate::loss::{RatioBase, RatioLevel, Surrogate};
use crate::mask::off_policy_mask;
use crate::{GrpoError, KlBase, PolicyLossConfig};
use burn::tensor::Tensor;
pub(crate) use inputs::Inputs;
use metrics::Measured;
use refire_core::{BoxError, Needs, Stateful, StepView, decode_state, encode_state};
use refire_objective::{
    Aggregation, Counts, Loss, Objective, ObjectiveError, Scope, StepContext, Targets, TokenStats,
};

/// The name in errors and logs.
const NAME: &str = "policy_loss";

/// The policy-gradient loss as an [`Objective`]: GRPO, DAPO, GSPO, CISPO and all the others.
///
/// Advantages are required, except where the surrogate makes its own. Without `old_logprobs` the
/// update is on-policy and the ratio is exactly 1, with the gradient of the log-probability.
/// `weights` (and those of a correction) multiply the surrogate, not the KL, as the peers do with
/// importance weights. What stands at masked positions has no influence, whatever it is.
///
/// Metrics, by their names in TRL: `clip_ratio/low_mean`, `clip_ratio/high_mean`,
/// `clip_ratio/region_mean` (fraction of tokens that the clip range holds back, or of rows where
/// tokens share one ratio), `clip_ratio/low_min`, `clip_ratio/high_max`, `kl`, `entropy`, and
/// `policy_loss` (the loss without the entropy bonus); by verl's `ppo_kl` (mean of `base -
/// logprob`). Surrogates add their own.
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
/// let gradient = logprobs.grad(&loss.total.backward()).expect("the log-probabilities are a leaf");
/// assert_eq!(gradient.into_data().to_vec::<f32>()?, [-0.25, -0.25]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PolicyLoss {
    config: PolicyLossConfig,
    kl: Option<AdaptiveKl>,
    entropy: Option<AdaptiveEntropy>,
}

impl PolicyLoss {
    /// The loss with these settings.
    ///
    /// # Errors
    /// When [`PolicyLossConfig::validate`] finds a problem.
    pub fn new(config: PolicyLossConfig) -> Result<Self, GrpoError> {
        GrpoError::collect(config.validate())?;
        let kl = config.kl_controller.map(|c| AdaptiveKl::new(config.kl_beta, c));
        let entropy =
            config.entropy_controller.map(|c| AdaptiveEntropy::new(config.entropy_coef, c));
        Ok(Self { config, kl, entropy })
    }

    /// The settings.
    pub fn config(&self) -> &PolicyLossConfig {
        &self.config
    }

    /// `[rows, time]`: the surrogate of the tokens that are kept, weighted.
    fn surrogate(&self, inputs: &Inputs) -> Result<Tensor<2>, GrpoError> {
        let surrogate = &inputs.surrogate;
        let mut loss = self.config.surrogate.per_token(surrogate)?;
        if let Some(keep) = self.on_policy_rows(inputs) {
            loss = loss * keep;
        }
        let weights = surrogate.weights.clone().filter(|_| !self.config.surrogate.takes_weights());
        Ok([inputs.keep.clone(), weights].into_iter().flatten().fold(loss, |loss, w| loss * w))
    }

    /// 1 for tokens that off-policy masking leaves, if it is on.
    pub(crate) fn on_policy_rows(&self, inputs: &Inputs) -> Option<Tensor<2>> {
        let threshold = self.config.off_policy_threshold?;
        let surrogate = &inputs.surrogate;
        Some(off_policy_mask(
            surrogate.logprobs.clone(),
            inputs.sampler.clone(),
            surrogate.advantages.clone(),
            surrogate.mask.clone(),
            threshold,
        ))
    }

    fn kl(&self, inputs: &Inputs) -> Result<Option<Tensor<2>>, GrpoError> {
        if !self.config.has_kl() {
            return Ok(None);
        }
        let surrogate = &inputs.surrogate;
        let base = match self.config.kl_base {
            KlBase::Reference => surrogate.reference(NAME)?,
            KlBase::Ratio => surrogate.base_logprobs.clone(),
        };
        let (estimator, clamp) = (self.config.kl_estimator, self.config.kl_clamp);
        let mut kl = estimator.clamped(surrogate.logprobs.clone(), base, clamp);
        if self.config.kl_bias_correction {
            kl = kl * surrogate.ratio();
        }
        Ok(Some(match surrogate.weights.clone().filter(|_| self.config.kl_weighted) {
            Some(weights) => kl * weights,
            None => kl,
        }))
    }

    /// `[1]`: this micro-batch's share of the mean entropy over the step's `tokens` that are kept.
    fn mean_entropy(&self, inputs: &Inputs, tokens: f64) -> Result<Tensor<1>, ObjectiveError> {
        let entropy = Targets::require(&inputs.entropy, "entropy", NAME)?.clone();
        let mask = inputs.surrogate.mask.clone();
        let seen = inputs.keep.clone().into_iter().fold(mask, |mask, keep| mask * keep);
        Ok((entropy * seen).sum() * tokens.max(1.0).recip())
    }

    /// What `prepare` made. A configuration that needs nothing of it needs no context.
    pub(crate) fn step<'a>(&self, context: &'a StepContext) -> Option<&'a PolicyStep> {
        context.get::<PolicyStep>()
    }

    /// The coefficients in force: of the KL and of the entropy.
    pub(crate) fn coefficients(&self, step: Option<&PolicyStep>) -> (f64, f64) {
        let kl = step.and_then(|s| s.kl_beta).unwrap_or(self.config.kl_beta);
        let entropy = step.and_then(|s| s.entropy_coef).unwrap_or(self.config.entropy_coef);
        (kl, entropy)
    }

    fn is_plain(&self) -> bool {
        let config = &self.config;
        matches!(config.ratio, RatioLevel::Token | RatioLevel::SequenceToken)
            && config.ratio_base == RatioBase::Old
            && config.correction.is_none()
            && !config.has_kl()
            && !config.has_entropy_bonus()
            && config.top_entropy.is_none()
            && config.off_policy_threshold.is_none()
    }
}

impl Stateful for PolicyLoss {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        if self.kl.is_none() && self.entropy.is_none() {
            return Ok(Vec::new());
        }
        encode_state(&(self.kl.state()?, self.entropy.state()?))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (kl, entropy): (Vec<u8>, Vec<u8>) = match state {
            [] => (Vec::new(), Vec::new()),
            state => decode_state("PolicyLoss", state)?,
        };
        self.kl.restore(&kl)?;
        self.entropy.restore(&entropy)
    }
}

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
        let by_token = !self.config.ratio.is_shared()
            && self.config.off_policy_threshold.is_none()
            && !matches!(self.config.aggregation, Aggregation::SeqMeanTokenMean { .. });
        let own = if by_token { Scope::Token } else { Scope::Row };
        own.max(self.config.surrogate.scope())
    }

    fn prepare(&mut self, step: &StepView<'_>) -> Result<StepContext, BoxError> {
        Ok(StepContext::new(self.look(step)?))
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
        let step = self.step(context);
        let inputs = Inputs::gather(stats, targets, step, &self.config)?;
        let (kl_beta, entropy_coef) = self.coefficients(step);
        let kl = self.kl(&inputs)?;
        let surrogate = self.surrogate(&inputs)?;
        let per_token = match &kl {
            Some(kl) => surrogate + kl.clone() * kl_beta,
            None => surrogate,
        };
        let mask = inputs.surrogate.mask.clone();
        let policy_loss = self.config.aggregation.reduce(per_token, mask, Some(counts));
        let total = if self.config.has_entropy_bonus() {
            let tokens = step.and_then(PolicyStep::kept).unwrap_or(counts.tokens);
            policy_loss.clone() - self.mean_entropy(&inputs, tokens)? * entropy_coef
        } else {
            policy_loss.clone()
        };
        let measured = Measured { inputs: &inputs, kl, policy_loss, step };
        Ok(Loss { total, metrics: measured.metrics(&self.config, counts) })
    }

    /// On the first update of a step, where the ratio is 1: `-c A * weight` of each token.
    fn known_coefficients(&self, targets: &Targets, counts: &Counts) -> Option<Tensor<2>> {
        let factor = self.config.surrogate.on_policy()?;
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
        let coefficients = shares * visible(targets.advantages.clone()?)? * -factor;
        match targets.weights.clone() {
            Some(weights) => Some(coefficients * visible(weights)?),
            None => Some(coefficients),
        }
    }
}
