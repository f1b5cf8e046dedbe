use refire_core::BoxError;
use refire_objective::{Blend, Policy, TokenBatch};

/// Share of the model's own token in each input embedding, by step.
pub(crate) type OwnTokens = Box<dyn FnMut(u64) -> f64 + Send>;

/// A blend with what the policy itself would have written at each position, after the batch's own
/// context: a first pass, without gradient. Tokens without context stay.
pub(crate) fn blend(
    policy: &dyn Policy,
    batch: &TokenBatch,
    share: f64,
) -> Result<Blend, BoxError> {
    let all = batch.everywhere();
    let mut tokens: Vec<Vec<u32>> = all.segments.iter().map(|s| s.tokens.clone()).collect();
    for (target, token) in all.targets.iter().zip(policy.freeze().greedy_tokens(&all)?) {
        tokens[target.segment][target.position] = token;
    }
    Ok(Blend { tokens, share })
}
