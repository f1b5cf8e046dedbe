//! Logits processors: each changes the logits of one token position in place.

mod allowed_tokens;
mod bad_words;
mod blend;
mod chain;
mod dry;
mod epsilon;
mod eta;
mod forced_end;
mod forced_tokens;
mod frequency_presence;
mod history;
mod keep;
mod length_decay;
mod log_softmax;
mod logit_bias;
mod min_p;
mod min_tokens;
mod mirostat;
mod no_repeat_ngram;
mod presets;
mod remove_invalid;
mod repetition;
mod sequence_bias;
mod suppress_tokens;
mod temperature;
mod top_h;
mod top_k;
mod top_n_sigma;
mod top_p;
mod typical;
mod xtc;

pub use allowed_tokens::AllowedTokens;
pub use bad_words::BadWords;
pub use blend::Blend;
pub use chain::Chain;
pub use dry::DryPenalty;
pub use epsilon::EpsilonCutoff;
pub use eta::EtaCutoff;
pub use forced_end::ForcedEnd;
pub use forced_tokens::ForcedTokens;
pub use frequency_presence::FrequencyPresence;
pub use history::History;
pub use length_decay::LengthDecayPenalty;
pub use log_softmax::LogSoftmax;
pub use logit_bias::LogitBias;
pub use min_p::MinP;
pub use min_tokens::MinTokens;
pub use mirostat::MirostatWarper;
pub use no_repeat_ngram::NoRepeatNgram;
pub use remove_invalid::RemoveInvalid;
pub use repetition::RepetitionPenalty;
pub use sequence_bias::SequenceBiases;
pub use suppress_tokens::SuppressTokens;
pub use temperature::Temperature;
pub(crate) use temperature::scaled;
pub use top_h::TopH;
pub use top_k::TopK;
pub use top_n_sigma::TopNSigma;
pub use top_p::TopP;
pub use typical::TypicalP;
pub use xtc::XtcWarper;

use std::fmt::Debug;

/// What precedes the token that is about to be drawn.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenContext<'a> {
    /// Tokens of the prompt.
    pub prompt: &'a [u32],
    /// Tokens of the completion so far.
    pub output: &'a [u32],
    /// Where the current turn begins within the completion: 0 without environments.
    pub turn_start: usize,
    /// A uniform number in `[0, 1)` of this position, for processors that act by chance.
    pub chance: f64,
    /// The other policy's logits (`[vocab]`) where two are blended.
    pub partner: Option<&'a [f32]>,
}

impl<'a> TokenContext<'a> {
    /// A context of a single turn, with chance 0 and without a partner.
    pub fn new(prompt: &'a [u32], output: &'a [u32]) -> Self {
        Self { prompt, output, ..Self::default() }
    }

    /// Tokens of prompt and completion.
    pub(crate) fn len(&self) -> usize {
        self.prompt.len() + self.output.len()
    }

    /// The token at a position counted from the prompt's first.
    pub(crate) fn token(&self, at: usize) -> Option<u32> {
        match at.checked_sub(self.prompt.len()) {
            None => self.prompt.get(at).copied(),
            Some(at) => self.output.get(at).copied(),
        }
    }

    /// True if prompt and completion together end with these tokens.
    pub(crate) fn ends_with(&self, tail: &[u32]) -> bool {
        let inside = tail.len().saturating_sub(self.output.len());
        let (first, second) = tail.split_at(inside);
        self.output.ends_with(second) && self.prompt.ends_with(first)
    }
}

/// Memory that the processors of a thread share, so that none of them allocates per token. Each
/// finds in it what another left.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// Logits or other numbers with their tokens.
    pub pairs: Vec<(f32, u32)>,
    /// Numbers, such as the largest logits.
    pub values: Vec<f32>,
    /// Places.
    pub places: Vec<usize>,
    /// Counts by token; all zero between two uses.
    pub counts: Vec<u32>,
}

/// Changes the logits of one position; `-inf` forbids a token.
///
/// One instance serves one completion, so it may keep state between its tokens. What it needs for
/// one token only, and that has the size of the vocabulary, belongs into the scratch.
pub trait LogitsProcessor: Debug + Send {
    /// Changes `logits` (`[vocab]`) in place.
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch);

    /// Hears which token was drawn, and its log-probability under what was left after all
    /// processors; a resumed completion's tokens are told again, in order.
    fn observe(&mut self, token: u32, logprob: f32) {
        let _ = (token, logprob);
    }
}

/// Forbids these tokens; ids beyond the row are passed over.
fn forbid(logits: &mut [f32], tokens: &[u32]) {
    for token in tokens {
        if let Some(x) = logits.get_mut(*token as usize) {
            *x = f32::NEG_INFINITY;
        }
    }
}
