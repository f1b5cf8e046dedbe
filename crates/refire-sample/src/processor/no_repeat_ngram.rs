use super::{LogitsProcessor, Scratch, TokenContext};

/// Forbids tokens that would complete an n-gram seen anywhere in prompt or completion, as
/// transformers' `NoRepeatNGramLogitsProcessor`; with n = 1 every seen token.
///
/// ```
/// use refire_sample::{LogitsProcessor, NoRepeatNgram, Scratch, TokenContext};
/// let mut logits = [0.0, 1.0, 2.0];
/// let context = TokenContext::new(&[1, 2, 0], &[1]);
/// NoRepeatNgram::new(2).process(&context, &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [0.0, 1.0, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRepeatNgram {
    n: usize,
}

impl NoRepeatNgram {
    /// No sequence of `n` tokens twice; at least 1.
    pub fn new(n: usize) -> Self {
        Self { n: n.max(1) }
    }
}

impl LogitsProcessor for NoRepeatNgram {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let (tokens, before) = (context.len(), self.n - 1);
        if tokens < self.n {
            return;
        }
        let token = |at: usize| context.token(at);
        for end in before..tokens {
            let same = (1..=before).all(|back| token(end - back) == token(tokens - back));
            if same && let Some(x) = token(end).and_then(|t| logits.get_mut(t as usize)) {
                *x = f32::NEG_INFINITY;
            }
        }
    }
}
