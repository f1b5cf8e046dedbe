use super::{LogitsProcessor, Scratch, TokenContext};
use crate::softmax::Softmax;
use refire_core::Xtc;

/// Excludes top choices: at times drops all but the least likely of the tokens that reach the
/// threshold, as in llama.cpp. Of equally likely ones the highest id stays.
///
/// It applies where the context's `chance` is at most the probability.
///
/// ```
/// use refire_core::Xtc;
/// use refire_sample::{LogitsProcessor, Scratch, TokenContext, XtcWarper};
/// let mut logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.2_f32.ln()];
/// let xtc = Xtc { probability: 0.5, threshold: 0.25 };
/// let context = TokenContext { chance: 0.4, ..Default::default() };
/// XtcWarper::new(xtc).process(&context, &mut logits, &mut Scratch::default());
/// assert!(logits[0] == f32::NEG_INFINITY && logits[1].is_finite() && logits[2].is_finite());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct XtcWarper {
    xtc: Xtc,
    min_keep: usize,
}

impl XtcWarper {
    /// As `xtc` says.
    pub fn new(xtc: Xtc) -> Self {
        Self { xtc, min_keep: 1 }
    }

    /// Does nothing where fewer than `n` tokens would be left.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.min_keep = n.max(1);
        self
    }
}

impl LogitsProcessor for XtcWarper {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let Xtc { probability, threshold } = self.xtc;
        let applies = context.chance <= f64::from(probability) && probability > 0.0;
        if !applies || threshold > 0.5 {
            return;
        }
        let Some(softmax) = Softmax::of(logits) else { return };
        let likely = |x: f32| x.is_finite() && softmax.probability(x) >= f64::from(threshold);
        let live = logits.iter().filter(|x| x.is_finite()).count();
        let top = logits.iter().filter(|x| likely(**x)).count();
        let last = (0..logits.len()).rev().filter(|t| likely(logits[*t]));
        let Some(stays) = last.min_by(|a, b| logits[*a].total_cmp(&logits[*b])) else { return };
        if top < 2 || live - (top - 1) < self.min_keep {
            return;
        }
        let goes = |(token, x): &(usize, &mut f32)| *token != stays && likely(**x);
        logits.iter_mut().enumerate().filter(goes).for_each(|(_, x)| *x = f32::NEG_INFINITY);
    }
}
