use crate::SftError;
use std::ops::Range;

/// Tokens that lie within the assistant's spans of the text (TRL's `assistant_only_loss`).
///
/// `offsets` are each token's characters, `spans` those a template marks as the assistant's, in the
/// same unit. A token that overlaps a span counts; one without characters never does.
///
/// ```
/// let offsets = [0..4, 4..6, 6..9];
/// assert_eq!(refire_sft::mask::assistant(&offsets, &[5..9])?, [false, true, true]);
/// # Ok::<(), refire_sft::SftError>(())
/// ```
///
/// # Errors
/// When no token lies within a span.
pub fn assistant(offsets: &[Range<usize>], spans: &[Range<usize>]) -> Result<Vec<bool>, SftError> {
    let inside = |token: &Range<usize>| {
        spans.iter().any(|span| token.start.max(span.start) < token.end.min(span.end))
    };
    super::checked(offsets.iter().map(inside).collect())
}
