use super::{LogitsProcessor, Scratch, TokenContext};

/// Replaces NaN by 0 and infinities by the largest numbers, as transformers'
/// `InfNanRemoveLogitsProcessor`.
///
/// ```
/// use refire_sample::{LogitsProcessor, RemoveInvalid, Scratch, TokenContext};
/// let mut logits = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0];
/// RemoveInvalid.process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [0.0, f32::MAX, f32::MIN, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveInvalid;

impl LogitsProcessor for RemoveInvalid {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        for x in logits {
            *x = if x.is_nan() { 0.0 } else { x.clamp(f32::MIN, f32::MAX) };
        }
    }
}
