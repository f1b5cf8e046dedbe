//! Drawing one token from logits.

use crate::{Chain, LogitsProcessor, TokenContext};
use refire_core::SamplingParams;

/// A drawn token and its log-probabilities, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: u32,
    /// `log softmax(logits / temperature)` before any other processor; at temperature 0
    /// `log softmax(logits)`.
    pub model_logprob: f32,
    /// Log-probability under the distribution it was drawn from; 0 for greedy decoding.
    pub behaviour_logprob: f32,
}

/// Memory that draws use again and again, `[vocab]` each.
#[derive(Debug, Default)]
pub struct DrawBuffer {
    weights: Vec<f64>,
    scaled: Vec<f32>,
}

/// Draws the tokens of one completion.
///
/// The token is found by walking the cumulative sum of the processed distribution in the order of
/// token ids, in 64 bits, up to a uniform number; greedy decoding takes the lowest id of equal
/// maxima. Log-probabilities are computed in 64 bits.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_sample::{DrawBuffer, Sampler, TokenContext};
/// let mut sampler = Sampler::new(&SamplingParams::default(), &[]);
/// let context = TokenContext { prompt: &[0], output: &[] };
/// let (mut logits, mut buffer) = ([0.75_f32.ln(), 0.25_f32.ln()], DrawBuffer::default());
/// let drawn = sampler.draw(&context, &mut logits, 0.8, &mut buffer);
/// assert_eq!(drawn.map(|d| d.token), Some(1));
/// ```
#[derive(Debug)]
pub struct Sampler {
    greedy: bool,
    chain: Chain,
}

impl Sampler {
    /// Draws as `params` say; `end_tokens` are those that `min_tokens` holds off.
    pub fn new(params: &SamplingParams, end_tokens: &[u32]) -> Self {
        Self { greedy: params.temperature == 0.0, chain: Chain::new(params, end_tokens) }
    }

    /// Adds a processor after those of the parameters.
    pub fn push(&mut self, processor: Box<dyn LogitsProcessor>) {
        self.chain.push(processor);
    }

    /// Draws a token for a uniform number in `[0, 1)`; `logits` (`[vocab]`) are used up.
    ///
    /// `None` if the logits make no distribution: none is finite, or one is `+inf` or not a number.
    pub fn draw(
        &mut self,
        context: &TokenContext<'_>,
        logits: &mut [f32],
        uniform: f64,
        buffer: &mut DrawBuffer,
    ) -> Option<Drawn> {
        self.chain.scale(context, logits);
        let weights = &mut buffer.weights;
        let model = Normaliser::of(logits, weights)?;
        if self.chain.is_plain() {
            let token =
                if self.greedy { first_maximum(logits) } else { pick(weights, &model, uniform) };
            let logprob = model.logprob(logits[token]);
            let behaviour_logprob = if self.greedy { 0.0 } else { logprob };
            return Some(Drawn { token: token as u32, model_logprob: logprob, behaviour_logprob });
        }
        let scaled = &mut buffer.scaled;
        scaled.clear();
        scaled.extend_from_slice(logits);
        self.chain.restrict(context, logits);
        let (token, behaviour_logprob) = if self.greedy {
            let token = first_maximum(logits);
            if !logits[token].is_finite() {
                return None;
            }
            (token, 0.0)
        } else {
            let left = Normaliser::of(logits, weights)?;
            let token = pick(weights, &left, uniform);
            (token, left.logprob(logits[token]))
        };
        let model_logprob = model.logprob(scaled[token]);
        Some(Drawn { token: token as u32, model_logprob, behaviour_logprob })
    }
}

struct Normaliser {
    max: f64,
    total: f64,
}

impl Normaliser {
    /// Fills `weights` with `exp(logits - max)`.
    fn of(logits: &[f32], weights: &mut Vec<f64>) -> Option<Self> {
        let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        if !max.is_finite() {
            return None;
        }
        let mut total = 0.0;
        weights.clear();
        weights.extend(logits.iter().map(|x| {
            let weight = (f64::from(*x) - max).exp();
            total += weight;
            weight
        }));
        total.is_finite().then_some(Self { max, total })
    }

    fn logprob(&self, logit: f32) -> f32 {
        (f64::from(logit) - self.max - self.total.ln()) as f32
    }
}

fn pick(weights: &[f64], normaliser: &Normaliser, uniform: f64) -> usize {
    let target = uniform * normaliser.total;
    let (mut sum, mut last) = (0.0, 0);
    for (token, weight) in weights.iter().enumerate() {
        sum += weight;
        if sum > target {
            return token;
        }
        if *weight > 0.0 {
            last = token;
        }
    }
    last
}

fn first_maximum(logits: &[f32]) -> usize {
    let mut best = 0;
    for (token, x) in logits.iter().enumerate() {
        if *x > logits[best] {
            best = token;
        }
    }
    best
}
