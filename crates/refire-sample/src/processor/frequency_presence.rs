use super::{History, LogitsProcessor, Scratch, TokenContext};

/// Takes `frequency * count + presence` off the logit of every seen token, as OpenAI's and vLLM's
/// penalties.
///
/// ```
/// use refire_sample::{FrequencyPresence, History, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [1.0, 2.0];
/// let context = TokenContext::new(&[0], &[1, 1]);
/// let mut penalty = FrequencyPresence::new(0.5, 0.25, History::OUTPUT);
/// penalty.process(&context, &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [1.0, 0.75]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrequencyPresence {
    frequency: f32,
    presence: f32,
    history: History,
}

impl FrequencyPresence {
    /// Punishes the tokens of `history`; negative penalties reward them.
    pub fn new(frequency: f32, presence: f32, history: History) -> Self {
        Self { frequency, presence, history }
    }
}

impl LogitsProcessor for FrequencyPresence {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let (frequency, presence) = (f64::from(self.frequency), f64::from(self.presence));
        self.history.for_each(context, logits.len(), &mut scratch.counts, |token, count| {
            let taken = frequency * f64::from(count) + presence;
            logits[token] = (f64::from(logits[token]) - taken) as f32;
        });
    }
}
