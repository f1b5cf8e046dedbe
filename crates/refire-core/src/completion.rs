use crate::{CoreError, Prompt, Request};
use serde::{Deserialize, Serialize};

/// Why a completion ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finish {
    /// An end token was drawn; it is the last token.
    EndToken {
        /// The token's id.
        token: u32,
    },
    /// A stop text appeared.
    StopText {
        /// The text.
        text: String,
    },
    /// The token limit or the context was reached: the completion is truncated.
    Length,
    /// The caller cancelled it: partial, and may be resumed.
    Cancelled,
    /// The environment ended the episode.
    Environment,
}

/// Who wrote a segment of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The model: its tokens are trained on.
    Policy,
    /// Tools, users, injected text: mask 0.
    Environment,
}

/// A segment `start..end` (token positions) of a completion by one author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who wrote it.
    pub author: Author,
    /// First token position within the completion.
    pub start: usize,
    /// One past the last token position.
    pub end: usize,
    /// The segment as text.
    pub text: String,
}

/// One sampled reply, token by token.
///
/// Token ids are the truth: text is never encoded again. All per-token columns have the length of
/// `tokens`; positions written by the environment have mask `false` and log-probability 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Token ids, the end token included.
    pub tokens: Vec<u32>,
    /// Which tokens the loss sees.
    pub loss_mask: Vec<bool>,
    /// `log softmax(logits / temperature)` of each token, before any other processor: what the
    /// loss uses.
    pub model_logprobs: Vec<f32>,
    /// Log-probability under the distribution the token was really drawn from.
    pub behaviour_logprobs: Vec<f32>,
    /// Weights version that produced each token.
    pub versions: Vec<u32>,
    /// Segments by author, in order.
    pub turns: Vec<Turn>,
    /// The reply as text, cut before a stop text and without end tokens.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
}

impl Completion {
    /// A completion from data: nobody drew it, so its log-probabilities are 0; all tokens count.
    ///
    /// ```
    /// use refire_core::Completion;
    /// let completion = Completion::given(vec![5, 6, 2]);
    /// assert!(completion.validate().is_ok() && !completion.is_truncated());
    /// ```
    pub fn given(tokens: Vec<u32>) -> Self {
        let (n, last) = (tokens.len(), tokens.last().copied());
        Self {
            loss_mask: vec![true; n],
            model_logprobs: vec![0.0; n],
            behaviour_logprobs: vec![0.0; n],
            versions: vec![0; n],
            turns: Vec::new(),
            text: String::new(),
            finish: last.map_or(Finish::Environment, |token| Finish::EndToken { token }),
            tokens,
        }
    }

    /// The beginning of a reply that somebody wrote: to be gone on from, not to be trained on.
    ///
    /// The tokens have mask `false`, log-probability 0 and form a turn of the environment. Given as
    /// [`Request::resume`](crate::Request::resume), all completions of a group may begin with it.
    ///
    /// ```
    /// use refire_core::Completion;
    /// let start = Completion::prefill(vec![5, 6], "The answer is".to_owned());
    /// assert!(start.validate().is_ok() && start.loss_mask == [false, false]);
    /// ```
    pub fn prefill(tokens: Vec<u32>, text: String) -> Self {
        let end = tokens.len();
        let turn = Turn { author: Author::Environment, start: 0, end, text: text.clone() };
        Self {
            loss_mask: vec![false; end],
            turns: if tokens.is_empty() { Vec::new() } else { vec![turn] },
            text,
            finish: Finish::Cancelled,
            ..Self::given(tokens)
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// True if no token was produced.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// True if the token limit cut it off.
    pub fn is_truncated(&self) -> bool {
        self.finish == Finish::Length
    }

    /// Checks that every column is as long as `tokens`.
    ///
    /// # Errors
    /// Names the first column that differs.
    pub fn validate(&self) -> Result<(), CoreError> {
        let tokens = self.tokens.len();
        let columns = [
            ("loss_mask", self.loss_mask.len()),
            ("model_logprobs", self.model_logprobs.len()),
            ("behaviour_logprobs", self.behaviour_logprobs.len()),
            ("versions", self.versions.len()),
        ];
        match columns.into_iter().find(|(_, found)| *found != tokens) {
            Some((column, found)) => Err(CoreError::ColumnLength { column, found, tokens }),
            None => Ok(()),
        }
    }
}

/// A request and its completions, in sample order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What was asked.
    pub request: Request,
    /// What came back: sample `i` at index `i`.
    pub completions: Vec<Completion>,
}

impl Group {
    /// A prompt with a completion from data, as a group of one: a demonstration.
    ///
    /// ```
    /// use refire_core::{Group, Prompt};
    /// let group = Group::demonstration(Prompt::default(), vec![4, 5, 2]);
    /// assert_eq!((group.request.n, group.completions[0].len()), (1, 3));
    /// ```
    pub fn demonstration(prompt: Prompt, tokens: Vec<u32>) -> Self {
        let request = Request { prompt, n: 1, ..Request::default() };
        Self { request, completions: vec![Completion::given(tokens)] }
    }
}
