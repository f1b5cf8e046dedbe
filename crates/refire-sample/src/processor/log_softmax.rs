use super::{LogitsProcessor, Scratch, TokenContext};
use crate::softmax::Softmax;

/// Log-probabilities in the place of logits, as transformers' `LogitNormalization`. It changes no
/// draw.
///
/// ```
/// use refire_sample::{LogSoftmax, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [3.0, 3.0];
/// LogSoftmax.process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert!((logits[0] - 0.5_f32.ln()).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSoftmax;

impl LogitsProcessor for LogSoftmax {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        if let Some(softmax) = Softmax::of(logits) {
            logits.iter_mut().for_each(|x| *x = softmax.logprob(*x) as f32);
        }
    }
}
