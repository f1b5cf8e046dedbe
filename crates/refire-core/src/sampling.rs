use crate::CoreError;
use serde::{Deserialize, Serialize};

/// How completions are drawn; each request carries its own.
///
/// Processors apply in the order of Hugging Face transformers: temperature, top-k, top-p, min-p.
/// The defaults draw from the model itself (no truncation), which is what on-policy training
/// assumes.
///
/// ```
/// use refire_core::SamplingParams;
/// let params = SamplingParams { temperature: 0.7, top_p: Some(0.95), ..Default::default() };
/// assert!(params.validate().is_empty());
/// assert!(!params.is_on_policy());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingParams {
    /// Divides the logits; 0 means greedy (the first of equal maxima).
    pub temperature: f32,
    /// Keep the k most likely tokens (ties with the k-th stay).
    pub top_k: Option<usize>,
    /// Keep the smallest set whose probability reaches p.
    pub top_p: Option<f32>,
    /// Drop tokens less likely than `min_p` times the most likely one.
    pub min_p: Option<f32>,
    /// Most new tokens; reaching it without an end token finishes the completion as truncated.
    pub max_tokens: usize,
    /// No end token before this many new tokens.
    pub min_tokens: usize,
    /// Token ids that end a completion, kept as its last token; beside the model's own.
    pub stop_tokens: Vec<u32>,
    /// Texts that end a completion; the text is cut before them, the tokens stay.
    pub stop: Vec<String>,
    /// Go on past end tokens.
    pub ignore_end: bool,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            max_tokens: 256,
            min_tokens: 0,
            stop_tokens: Vec::new(),
            stop: Vec::new(),
            ignore_end: false,
            seed: 0,
        }
    }
}

impl SamplingParams {
    /// Greedy decoding of up to `max_tokens` tokens.
    pub fn greedy(max_tokens: usize) -> Self {
        Self { temperature: 0.0, max_tokens, ..Self::default() }
    }

    /// True if the draws come from the model's own distribution at this temperature, so that the
    /// behaviour log-probabilities equal the model's.
    pub fn is_on_policy(&self) -> bool {
        let truncated = self.top_k.is_some() || self.top_p.is_some() || self.min_p.is_some();
        self.temperature > 0.0 && !truncated && self.min_tokens == 0
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<CoreError> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, field, value: String, expected| {
            if !ok {
                problems.push(CoreError::OutOfRange { field, value, expected });
            }
        };
        let t = self.temperature;
        check(t.is_finite() && t >= 0.0, "temperature", t.to_string(), "a finite number from 0");
        if let Some(k) = self.top_k {
            check(k > 0, "top_k", k.to_string(), "at least 1");
        }
        if let Some(p) = self.top_p {
            check((0.0..=1.0).contains(&p), "top_p", p.to_string(), "from 0 to 1");
        }
        if let Some(p) = self.min_p {
            check((0.0..=1.0).contains(&p), "min_p", p.to_string(), "from 0 to 1");
        }
        check(self.max_tokens > 0, "max_tokens", self.max_tokens.to_string(), "at least 1");
        let (low, high) = (self.min_tokens, self.max_tokens);
        check(low <= high, "min_tokens", low.to_string(), "at most `max_tokens`");
        check(self.stop.iter().all(|s| !s.is_empty()), "stop", "\"\"".into(), "texts, not empty");
        problems
    }
}
