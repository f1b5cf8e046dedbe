use crate::SftError;

/// Everything behind the prompt, the end token included (TRL's `completion_only_loss`).
///
/// ```
/// assert_eq!(refire_sft::mask::completion(1, 3)?, [false, true, true]);
/// # Ok::<(), refire_sft::SftError>(())
/// ```
///
/// # Errors
/// When nothing follows the prompt.
pub fn completion(prompt: usize, tokens: usize) -> Result<Vec<bool>, SftError> {
    super::checked((0..tokens).map(|position| position >= prompt).collect())
}
