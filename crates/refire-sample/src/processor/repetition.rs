use super::{History, LogitsProcessor, Scratch, TokenContext};

/// Divides positive logits of seen tokens by the penalty and multiplies negative ones, as
/// transformers' `RepetitionPenaltyLogitsProcessor` (Keskar et al. 2019). Each distinct token once.
///
/// ```
/// use refire_sample::{History, LogitsProcessor, RepetitionPenalty, Scratch, TokenContext};
/// let mut logits = [1.0, -1.0, 1.0];
/// let context = TokenContext::new(&[0], &[1, 1]);
/// let mut penalty = RepetitionPenalty::new(2.0, History::ALL);
/// penalty.process(&context, &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [0.5, -2.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepetitionPenalty {
    penalty: f32,
    history: History,
}

impl RepetitionPenalty {
    /// Punishes the tokens of `history`; a penalty below 1 rewards them.
    pub fn new(penalty: f32, history: History) -> Self {
        Self { penalty, history }
    }
}

impl LogitsProcessor for RepetitionPenalty {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let penalty = self.penalty;
        self.history.for_each(context, logits.len(), &mut scratch.counts, |token, _| {
            let x = &mut logits[token];
            *x = if *x < 0.0 { *x * penalty } else { *x / penalty };
        });
    }
}
