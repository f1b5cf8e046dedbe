use super::pairs::Pairs;
use super::step::PreferenceStep;
use crate::DpoError;
use crate::stable::pick;
use burn::tensor::Tensor;
use refire_objective::{ObjectiveError, StepContext};

/// Tokens of all chosen rows of the step, over which their likelihood is a mean.
struct ChosenTokens(f64);

pub(super) fn context(step: &PreferenceStep) -> StepContext {
    StepContext::new(ChosenTokens(step.chosen_tokens() as f64))
}

/// Each chosen row's share of the step's mean NLL per token, `[pairs]`.
pub(super) fn chosen(
    objective: &'static str,
    logps: &Tensor<1>,
    pairs: &Pairs,
    context: &StepContext,
) -> Result<Tensor<1>, DpoError> {
    let missing = ObjectiveError::Context { objective };
    let ChosenTokens(tokens) = context.get().ok_or(DpoError::Objective(missing))?;
    Ok(pick(logps, &pairs.chosen) * -tokens.max(1.0).recip())
}
