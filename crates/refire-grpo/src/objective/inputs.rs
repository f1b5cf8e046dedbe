use super::NAME;
use burn::tensor::Tensor;
use refire_objective::{ObjectiveError, Targets, TokenStats};

/// Everything the loss reads, `[rows, time]`, with zeros at masked positions.
///
/// Zeros before any arithmetic, not after: a gradient of 0 that flows back through `exp(inf)`
/// is not a number.
pub(super) struct Inputs {
    pub(super) mask: Tensor<2>,
    pub(super) logprobs: Tensor<2>,
    pub(super) advantages: Tensor<2>,
    pub(super) entropy: Option<Tensor<2>>,
    pub(super) ref_logprobs: Option<Tensor<2>>,
    pub(super) weights: Option<Tensor<2>>,
    old_logprobs: Option<Tensor<2>>,
    behaviour_logprobs: Option<Tensor<2>>,
}

impl Inputs {
    pub(super) fn gather(stats: &TokenStats, targets: &Targets) -> Result<Self, ObjectiveError> {
        let mask = targets.mask.clone();
        let hidden = mask.clone().equal_scalar(0.0);
        let visible = |what: &'static str, column: &Tensor<2>| {
            let (found, expected) = (column.dims(), mask.dims());
            if found == expected {
                Ok(column.clone().mask_fill(hidden.clone(), 0.0))
            } else {
                let (found, expected) = (found.to_vec(), expected.to_vec());
                Err(ObjectiveError::Shape { what, found, expected })
            }
        };
        let optional = |what: &'static str, column: &Option<Tensor<2>>| {
            column.as_ref().map(|column| visible(what, column)).transpose()
        };
        let advantages = Targets::require(&targets.advantages, "advantages", NAME)?;
        Ok(Self {
            logprobs: visible("logprobs", &stats.logprobs)?,
            advantages: visible("advantages", advantages)?,
            entropy: optional("entropy", &stats.entropy)?,
            ref_logprobs: optional("ref_logprobs", &targets.ref_logprobs)?,
            weights: optional("weights", &targets.weights)?,
            old_logprobs: optional("old_logprobs", &targets.old_logprobs)?,
            behaviour_logprobs: optional("behaviour_logprobs", &targets.behaviour_logprobs)?,
            mask,
        })
    }

    /// Log-probabilities before the step: on-policy they are the present ones, as constants.
    pub(super) fn old_or_current(&self) -> Tensor<2> {
        self.old_logprobs.clone().unwrap_or_else(|| self.logprobs.clone()).inner()
    }

    /// Log-probabilities when the tokens were drawn; TRL too takes the old ones for lack of them.
    pub(super) fn sampler_or_old(&self) -> Tensor<2> {
        self.behaviour_logprobs.clone().map_or_else(|| self.old_or_current(), Tensor::inner)
    }
}
