use serde::{Deserialize, Serialize};

/// Whose order the processors apply in. Only the order is a peer's, never its default values.
///
/// Processors that a peer lacks stand where transformers has them or, if it lacks them too, behind
/// their kin. Log-probabilities of the model don't depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// Biases, penalties, n-grams, bad words, lengths, forced tokens; then temperature, top-h,
    /// top-k, top-p, min-p, typical, epsilon, eta.
    #[default]
    Transformers,
    /// vLLM 1: allowed tokens, bad words, `min_tokens`, biases, penalties; then temperature, min-p,
    /// top-k, top-p.
    Vllm,
    /// llama.cpp: biases, penalties (frequency and presence count the prompt's tokens too), DRY,
    /// top-n-sigma, top-k, typical, top-p, min-p, XTC, and the temperature last.
    LlamaCpp,
}

/// DRY ("don't repeat yourself"): punishes tokens that would prolong a repetition.
///
/// Where the last `m` tokens were seen before, and `t` came after them there, `t` loses
/// `multiplier * base^(m - allowed_length)` for the longest such `m >= allowed_length`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dry {
    /// Penalty at the allowed length, in logits.
    pub multiplier: f32,
    /// Growth of the penalty per token; at least 1.
    pub base: f32,
    /// Shortest repetition that is punished, in tokens.
    pub allowed_length: usize,
    /// How many of the last tokens count, prompt included; all if not given.
    pub last_n: Option<usize>,
    /// Tokens that no repetition reaches across, such as line breaks and quotes.
    pub breakers: Vec<u32>,
}

impl Default for Dry {
    /// 0.8, 1.75 and 2, as the method's author recommends (text-generation-webui, pull 5677).
    fn default() -> Self {
        Self { multiplier: 0.8, base: 1.75, allowed_length: 2, last_n: None, breakers: Vec::new() }
    }
}

/// XTC ("exclude top choices"): at times drops all but the least likely of the likely tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Xtc {
    /// How often it is applied, from 0 to 1.
    pub probability: f32,
    /// Least probability of a likely token; beyond 0.5 there is at most one, and nothing to drop.
    pub threshold: f32,
}

impl Default for Xtc {
    /// 0.5 and 0.1, as the method's author recommends (text-generation-webui, pull 6335).
    fn default() -> Self {
        Self { probability: 0.5, threshold: 0.1 }
    }
}

/// Mirostat: holds the surprise of the drawn tokens near a target.
///
/// With `s` the surprise of a drawn token in bits, `mu -= eta * (s - tau)`, from `mu = 2 tau`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mirostat {
    /// How `mu` bounds the tokens.
    pub version: MirostatVersion,
    /// Wanted surprise, in bits.
    pub tau: f32,
    /// Rate at which `mu` follows.
    pub eta: f32,
}

impl Default for Mirostat {
    /// Version 2 with 5 bits and 0.1, llama.cpp's defaults.
    fn default() -> Self {
        Self { version: MirostatVersion::V2, tau: 5.0, eta: 0.1 }
    }
}

/// How mirostat's `mu` bounds the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MirostatVersion {
    /// By a number of tokens, from the exponent of a Zipf law fitted to the 100 likeliest.
    V1,
    /// By dropping tokens whose surprise is above `mu`.
    V2,
}

/// Raises the end tokens exponentially once a completion is long.
///
/// After `start` new tokens an end token's logit `x` becomes `x + |x| (factor^(n - start) - 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthDecay {
    /// New tokens before it begins.
    pub start: usize,
    /// Growth per token; at least 1.
    pub factor: f32,
}

/// Adds to the logit of a sequence's last token where the tokens before it stand at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceBias {
    /// The sequence; at least one token.
    pub tokens: Vec<u32>,
    /// What is added, in logits.
    pub bias: f32,
}
