use super::{LogitsProcessor, Scratch, Temperature, TokenContext, presets};
use refire_core::SamplingParams;

/// The processors of one completion, in the order that its parameters name.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_sample::{Chain, LogitsProcessor, Scratch, TokenContext};
/// let params = SamplingParams { temperature: 0.5, top_k: Some(2), ..Default::default() };
/// let mut logits = [1.0, 3.0, 2.0];
/// let mut chain = Chain::new(&params, &[0]);
/// chain.process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [f32::NEG_INFINITY, 6.0, 4.0]);
/// ```
#[derive(Debug)]
pub struct Chain {
    before: Vec<Box<dyn LogitsProcessor>>,
    temperature: Temperature,
    after: Vec<Box<dyn LogitsProcessor>>,
}

impl Chain {
    /// What `params` ask for; `end_tokens` are those that lengths hold off or force. At temperature
    /// 0 truncation is left out.
    pub fn new(params: &SamplingParams, end_tokens: &[u32]) -> Self {
        let [before, after] = presets::processors(params, end_tokens);
        Self { before, temperature: Temperature::new(params.temperature), after }
    }

    /// Adds a processor at the end.
    pub fn push(&mut self, processor: Box<dyn LogitsProcessor>) {
        self.after.push(processor);
    }

    /// True if only the temperature changes the logits.
    pub fn is_plain(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// What the model's logits are divided by.
    pub(crate) fn divisor(&self) -> f32 {
        self.temperature.divisor()
    }
}

impl LogitsProcessor for Chain {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        self.before.iter_mut().for_each(|p| p.process(context, logits, scratch));
        self.temperature.process(context, logits, scratch);
        self.after.iter_mut().for_each(|p| p.process(context, logits, scratch));
    }

    fn observe(&mut self, token: u32, logprob: f32) {
        let all = self.before.iter_mut().chain(&mut self.after);
        all.for_each(|p| p.observe(token, logprob));
    }
}
