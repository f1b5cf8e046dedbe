//! Drawing one token from logits.

use crate::processor::{RemoveInvalid, scaled};
use crate::softmax::Softmax;
use crate::{Chain, Constraint, LogitsProcessor, Scratch, TokenContext};
use refire_core::{BoxError, SamplingParams};
use thiserror::Error;

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

/// Why no token could be drawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DrawError {
    /// No logit is finite, or one is infinite or not a number.
    #[error("the logits are not finite")]
    NotFinite,
    /// Processors and guide together forbid every token.
    #[error("no token is left: the guide and the sampling parameters together forbid all of them")]
    NothingLeft,
    /// The guide failed.
    #[error("guide: {0}")]
    Guide(#[source] BoxError),
}

/// Memory that draws use again and again, `[vocab]` each.
#[derive(Debug, Default)]
pub struct DrawBuffer {
    weights: Vec<f64>,
    raw: Vec<f32>,
    scratch: Scratch,
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
/// let (mut logits, mut buffer) = ([0.75_f32.ln(), 0.25_f32.ln()], DrawBuffer::default());
/// let drawn = sampler.draw(&TokenContext::default(), &mut logits, 0.8, &mut buffer)?;
/// assert_eq!(drawn.token, 1);
/// sampler.observe(&drawn);
/// # Ok::<(), refire_sample::DrawError>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    greedy: bool,
    repairs: bool,
    chain: Chain,
    constraint: Option<Box<dyn Constraint>>,
}

impl Sampler {
    /// Draws as `params` say, but for their guide, which [`constrain`](Self::constrain) takes;
    /// `end_tokens` are those that lengths hold off or force.
    pub fn new(params: &SamplingParams, end_tokens: &[u32]) -> Self {
        Self {
            greedy: params.temperature == 0.0,
            repairs: params.remove_invalid,
            chain: Chain::new(params, end_tokens),
            constraint: None,
        }
    }

    /// Adds a processor after those of the parameters.
    pub fn push(&mut self, processor: Box<dyn LogitsProcessor>) {
        self.chain.push(processor);
    }

    /// Draws only what the constraint allows.
    pub fn constrain(&mut self, constraint: Box<dyn Constraint>) {
        self.constraint = Some(constraint);
    }

    /// Draws a token for a uniform number in `[0, 1)`; `logits` (`[vocab]`) are used up.
    ///
    /// Draw again, or tell [`observe`](Self::observe) that the token was taken.
    ///
    /// # Errors
    /// When the logits make no distribution, when every token is forbidden, or when the guide fails.
    pub fn draw(
        &mut self,
        context: &TokenContext<'_>,
        logits: &mut [f32],
        uniform: f64,
        buffer: &mut DrawBuffer,
    ) -> Result<Drawn, DrawError> {
        if self.repairs {
            RemoveInvalid.process(context, logits, &mut buffer.scratch);
        }
        if self.chain.is_plain() && self.constraint.is_none() {
            return self.draw_plain(context, logits, uniform, buffer);
        }
        buffer.raw.clear();
        buffer.raw.extend_from_slice(logits);
        let divisor = self.chain.divisor();
        let model = Softmax::scaled(logits, divisor).ok_or(DrawError::NotFinite)?;
        if let Some(constraint) = &mut self.constraint {
            let turn = context.output.get(context.turn_start..).unwrap_or_default();
            constraint.restrict(turn, logits).map_err(DrawError::Guide)?;
        }
        self.chain.process(context, logits, &mut buffer.scratch);
        let (token, behaviour_logprob) = if self.greedy {
            (likeliest(logits)?, 0.0)
        } else {
            let left = Softmax::fill(logits, &mut buffer.weights).ok_or(DrawError::NothingLeft)?;
            let token = pick(&buffer.weights, left.total(), uniform);
            (token, left.logprob(logits[token]) as f32)
        };
        let model_logprob = model.logprob(scaled(buffer.raw[token], divisor)) as f32;
        Ok(Drawn { token: token as u32, model_logprob, behaviour_logprob })
    }

    fn draw_plain(
        &mut self,
        context: &TokenContext<'_>,
        logits: &mut [f32],
        uniform: f64,
        buffer: &mut DrawBuffer,
    ) -> Result<Drawn, DrawError> {
        self.chain.process(context, logits, &mut buffer.scratch);
        let model = Softmax::fill(logits, &mut buffer.weights).ok_or(DrawError::NotFinite)?;
        let token = match self.greedy {
            true => likeliest(logits)?,
            false => pick(&buffer.weights, model.total(), uniform),
        };
        let logprob = model.logprob(logits[token]) as f32;
        let behaviour_logprob = if self.greedy { 0.0 } else { logprob };
        Ok(Drawn { token: token as u32, model_logprob: logprob, behaviour_logprob })
    }

    /// Hears that a drawn token was taken: what remembers former draws (mirostat) needs it.
    pub fn observe(&mut self, drawn: &Drawn) {
        self.chain.observe(drawn.token, drawn.behaviour_logprob);
    }
}

fn pick(weights: &[f64], total: f64, uniform: f64) -> usize {
    let target = uniform * total;
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

/// The first of equal maxima.
fn likeliest(logits: &[f32]) -> Result<usize, DrawError> {
    let mut best = 0;
    for (token, x) in logits.iter().enumerate() {
        if *x > logits[best] {
            best = token;
        }
    }
    let finite = logits.get(best).is_some_and(|x| x.is_finite());
    if finite { Ok(best) } else { Err(DrawError::NothingLeft) }
}
