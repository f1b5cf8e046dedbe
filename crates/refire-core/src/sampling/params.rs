use super::{BudgetForcing, Dry, Guide, LengthDecay, Mirostat, Order, SequenceBias, Xtc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How completions are drawn; each request carries its own.
///
/// The defaults draw from the model itself (no truncation), which is what on-policy training
/// assumes. Processors apply in an [`Order`]. Greedy decoding (`temperature` 0) takes the likeliest
/// token after biases, penalties, guides and forbidden or forced tokens; truncation (top-k and its
/// kin, typical, XTC, mirostat) plays no part in it.
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
    /// Keep the tokens whose surprise is nearest the entropy, up to this probability (Meister et
    /// al. 2022); below 1.
    pub typical_p: Option<f32>,
    /// Keep the likeliest tokens up to this share of the entropy of the first 100 (Top-H, 2025).
    pub top_h: Option<f32>,
    /// Keep logits within this many standard deviations of the largest (Tang et al. 2024).
    pub top_n_sigma: Option<f32>,
    /// Drop tokens less likely than this (Hewitt et al. 2022).
    pub epsilon_cutoff: Option<f32>,
    /// Drop tokens less likely than `min(eta, sqrt(eta) exp(-entropy))` (Hewitt et al. 2022).
    pub eta_cutoff: Option<f32>,
    /// At times drop the likeliest tokens.
    pub xtc: Option<Xtc>,
    /// Hold the surprise near a target; excludes every other truncation.
    pub mirostat: Option<Mirostat>,
    /// Tokens that truncation always leaves; at least 1.
    pub min_keep: usize,
    /// Divides positive and multiplies negative logits of tokens seen in prompt or completion
    /// (Keskar et al. 2019); 1 changes nothing.
    pub repetition_penalty: f32,
    /// Taken off the logit of a token for each time the completion holds it.
    pub frequency_penalty: f32,
    /// Taken off the logit of every token the completion holds.
    pub presence_penalty: f32,
    /// How many of the last tokens the three penalties see; all if not given.
    pub penalty_last_n: Option<usize>,
    /// Punish tokens that prolong a repetition.
    pub dry: Option<Dry>,
    /// No sequence of this many tokens twice, prompt included.
    pub no_repeat_ngram: Option<usize>,
    /// Added to the logits of single tokens.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Added to the logits of tokens that complete a sequence.
    pub sequence_bias: Vec<SequenceBias>,
    /// The only tokens that may be drawn; end tokens must be among them to be drawn.
    pub allowed_tokens: Option<Vec<u32>>,
    /// Tokens that are never drawn.
    pub suppress_tokens: Vec<u32>,
    /// Token sequences that are never completed.
    pub bad_words: Vec<Vec<u32>>,
    /// The first tokens, whatever the model says.
    pub forced_tokens: Vec<u32>,
    /// Draw an end token where the limit would cut the completion off.
    pub force_end: bool,
    /// Raise the end tokens once the completion is long.
    pub length_decay: Option<LengthDecay>,
    /// Replace NaN by 0 and infinities by the largest numbers. This lets forbidden tokens back in
    /// with a probability of 0, as in transformers; without it such logits are an error.
    pub remove_invalid: bool,
    /// What the text must be.
    pub guide: Option<Guide>,
    /// Hold thinking between two lengths.
    pub budget: Option<BudgetForcing>,
    /// Share of the engine's policy in a blend with its partner's: `pi ~ partner^(1-w) policy^w`
    /// (RLG); beyond 1 it extrapolates.
    pub blend: Option<f32>,
    /// Whose order the processors apply in.
    pub order: Order,
    /// Most new tokens; reaching it without an end token finishes the completion as truncated.
    pub max_tokens: usize,
    /// No end token before this many new tokens.
    pub min_tokens: usize,
    /// Token ids that end a completion, kept as its last token; beside the model's own.
    pub stop_tokens: Vec<u32>,
    /// Texts that end a completion; the text is cut before them, the tokens stay.
    pub stop: Vec<String>,
    /// Cut the text after a stop text instead of before it.
    pub include_stop: bool,
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
            typical_p: None,
            top_h: None,
            top_n_sigma: None,
            epsilon_cutoff: None,
            eta_cutoff: None,
            xtc: None,
            mirostat: None,
            min_keep: 1,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            penalty_last_n: None,
            dry: None,
            no_repeat_ngram: None,
            logit_bias: BTreeMap::new(),
            sequence_bias: Vec::new(),
            allowed_tokens: None,
            suppress_tokens: Vec::new(),
            bad_words: Vec::new(),
            forced_tokens: Vec::new(),
            force_end: false,
            length_decay: None,
            remove_invalid: false,
            guide: None,
            budget: None,
            blend: None,
            order: Order::default(),
            max_tokens: 256,
            min_tokens: 0,
            stop_tokens: Vec::new(),
            stop: Vec::new(),
            include_stop: false,
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

    /// llama.cpp's own defaults and order: temperature 0.8, top-k 40, top-p 0.95, min-p 0.05, and
    /// penalties, if any are set, over the last 64 tokens.
    pub fn llama_cpp(max_tokens: usize) -> Self {
        Self {
            temperature: 0.8,
            top_k: Some(40),
            top_p: Some(0.95),
            min_p: Some(0.05),
            penalty_last_n: Some(64),
            order: Order::LlamaCpp,
            max_tokens,
            ..Self::default()
        }
    }

    /// True if the draws come from the model's own distribution at this temperature, so that the
    /// behaviour log-probabilities equal the model's.
    pub fn is_on_policy(&self) -> bool {
        // Whatever isn't named here changes the distribution.
        let plain = Self {
            temperature: self.temperature,
            min_keep: self.min_keep,
            penalty_last_n: self.penalty_last_n,
            budget: self.budget.clone(),
            order: self.order,
            max_tokens: self.max_tokens,
            stop_tokens: self.stop_tokens.clone(),
            stop: self.stop.clone(),
            include_stop: self.include_stop,
            ignore_end: self.ignore_end,
            seed: self.seed,
            ..Self::default()
        };
        self.temperature > 0.0 && *self == plain
    }
}
