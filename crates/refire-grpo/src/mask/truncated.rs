//! Overlong filtering: completions that the token limit cut off teach nothing.
//!
//! What a truncated completion would have been worth is unknown, so its reward is noise. Yu et
//! al., "DAPO" (2025), section 3.4; TRL's `mask_truncated_completions`. The row keeps its place in
//! the statistics of its group.

use refire_core::Completion;

/// The loss masks of completions, all `false` for those that are truncated.
///
/// ```
/// use refire_core::{Completion, Finish};
/// use refire_grpo::mask::mask_truncated;
/// let completion = |finish| Completion {
///     tokens: vec![5, 6],
///     loss_mask: vec![true, true],
///     model_logprobs: vec![-1.0; 2],
///     behaviour_logprobs: vec![-1.0; 2],
///     versions: vec![0; 2],
///     turns: vec![],
///     text: String::new(),
///     finish,
/// };
/// let both = [completion(Finish::EndToken { token: 6 }), completion(Finish::Length)];
/// assert_eq!(mask_truncated(&both), [[true, true], [false, false]]);
/// ```
pub fn mask_truncated<'a>(completions: impl IntoIterator<Item = &'a Completion>) -> Vec<Vec<bool>> {
    let mask = |completion: &Completion| {
        let keep = !completion.is_truncated();
        completion.loss_mask.iter().map(|m| *m && keep).collect()
    };
    completions.into_iter().map(mask).collect()
}
