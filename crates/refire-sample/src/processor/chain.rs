use super::{LogitsProcessor, MinP, MinTokens, Temperature, TokenContext, TopK, TopP};
use refire_core::SamplingParams;

/// The processors of one completion, in the order of Hugging Face transformers: end tokens before
/// `min_tokens`, temperature, top-k, top-p, min-p; then any of your own.
///
/// The temperature stands apart, since the model's log-probabilities are taken right after it.
/// Forbidding tokens before or after it is the same.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_sample::{Chain, LogitsProcessor, TokenContext};
/// let params = SamplingParams { temperature: 0.5, top_k: Some(2), ..Default::default() };
/// let mut logits = [1.0, 3.0, 2.0];
/// let context = TokenContext { prompt: &[0], output: &[] };
/// Chain::new(&params, &[0]).process(&context, &mut logits);
/// assert_eq!(logits, [f32::NEG_INFINITY, 6.0, 4.0]);
/// ```
#[derive(Debug)]
pub struct Chain {
    temperature: Temperature,
    processors: Vec<Box<dyn LogitsProcessor>>,
}

impl Chain {
    /// What `params` ask for. At temperature 0 only the end tokens are handled: nothing else
    /// changes which token is the most likely one.
    pub fn new(params: &SamplingParams, end_tokens: &[u32]) -> Self {
        let mut processors: Vec<Box<dyn LogitsProcessor>> = Vec::new();
        if params.min_tokens > 0 && !end_tokens.is_empty() {
            processors.push(Box::new(MinTokens::new(params.min_tokens, end_tokens.to_vec())));
        }
        if params.temperature > 0.0 {
            if let Some(k) = params.top_k {
                processors.push(Box::new(TopK::new(k)));
            }
            if let Some(p) = params.top_p.filter(|p| *p < 1.0) {
                processors.push(Box::new(TopP::new(p)));
            }
            if let Some(p) = params.min_p.filter(|p| *p > 0.0) {
                processors.push(Box::new(MinP::new(p)));
            }
        }
        Self { temperature: Temperature::new(params.temperature), processors }
    }

    /// Adds a processor at the end.
    pub fn push(&mut self, processor: Box<dyn LogitsProcessor>) {
        self.processors.push(processor);
    }

    /// True if only the temperature changes the logits.
    pub fn is_plain(&self) -> bool {
        self.processors.is_empty()
    }

    /// Applies the temperature alone.
    pub(crate) fn scale(&mut self, context: &TokenContext<'_>, logits: &mut [f32]) {
        self.temperature.process(context, logits);
    }

    /// Applies everything but the temperature.
    pub(crate) fn restrict(&mut self, context: &TokenContext<'_>, logits: &mut [f32]) {
        self.processors.iter_mut().for_each(|p| p.process(context, logits));
    }
}

impl LogitsProcessor for Chain {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32]) {
        self.scale(context, logits);
        self.restrict(context, logits);
    }
}
