use crate::SftError;

/// The completion up to and with the first `end` behind the prompt: a plan is learned, its
/// execution is not (the exploration-only loss of E2C, Explore-Execute Chain, 2025).
///
/// ```
/// // Token 7 ends the plan.
/// let mask = refire_sft::mask::plan(&[1, 5, 7, 6, 2], 1, &[7])?;
/// assert_eq!(mask, [false, true, true, false, false]);
/// # Ok::<(), refire_sft::SftError>(())
/// ```
///
/// # Errors
/// When the row has no such end, or nothing before it.
pub fn plan(tokens: &[u32], prompt: usize, end: &[u32]) -> Result<Vec<bool>, SftError> {
    let completion = tokens.get(prompt..).unwrap_or_default();
    let found = (!end.is_empty())
        .then(|| completion.windows(end.len()).position(|window| window == end))
        .flatten();
    let stop = prompt + found.ok_or(SftError::NothingToLearn)? + end.len();
    super::checked((0..tokens.len()).map(|at| at >= prompt && at < stop).collect())
}
