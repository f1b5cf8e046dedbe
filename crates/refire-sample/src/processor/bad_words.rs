use super::{LogitsProcessor, Scratch, SequenceBiases, TokenContext};
use refire_core::SequenceBias;

/// Never completes a sequence, as transformers' `NoBadWordsLogitsProcessor`.
///
/// An end token by itself is no bad word and is left out.
///
/// ```
/// use refire_sample::{BadWords, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [1.0, 2.0, 3.0];
/// let mut words = BadWords::new(&[vec![0], vec![7, 1], vec![2]], &[2]);
/// words.process(&TokenContext::new(&[5], &[7]), &mut logits, &mut Scratch::default());
/// let none = f32::NEG_INFINITY;
/// assert_eq!(logits, [none, none, 3.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BadWords(SequenceBiases);

impl BadWords {
    /// Forbids these words.
    pub fn new(words: &[Vec<u32>], end_tokens: &[u32]) -> Self {
        let is_end = |word: &[u32]| matches!(word, [token] if end_tokens.contains(token));
        let words = words.iter().filter(|word| !is_end(word));
        let bias = f32::NEG_INFINITY;
        let biases = words.map(|word| SequenceBias { tokens: word.clone(), bias });
        Self(SequenceBiases::new(biases.collect()))
    }
}

impl LogitsProcessor for BadWords {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        self.0.process(context, logits, scratch);
    }
}
