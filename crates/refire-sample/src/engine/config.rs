use refire_core::{CoreError, Purpose};
use refire_model::{Decode, DecodeOn, Decoder, Dtype, ModelError};
use serde::{Deserialize, Serialize};

/// How a [`LocalEngine`](crate::LocalEngine) works; none of it but `purpose`,
/// `decode_dtype` and `decode_on` changes what is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Completions decoded at once; bounds the memory of their caches.
    pub max_slots: usize,
    /// Prompt tokens read at once; longer prompts are read in pieces of this size.
    pub max_prefill_tokens: usize,
    /// Tokens that the caches of one model hold at most, those of prompts included; a completion
    /// waits until there is room. Unlimited but for the slots if not given.
    pub max_cache_tokens: Option<usize>,
    /// How matrices are stored for decoding: as they are, or as bf16, which reads half of the bytes
    /// per token, keeps a copy of its own, and moves log-probabilities away from the trainer's by
    /// the rounding of weights.
    pub decode_dtype: Dtype,
    /// Where it decodes: on the weights' device if not said otherwise.
    pub decode_on: DecodeOn,
    /// What the draws are for, part of their key: `"rollout"`, `"evaluation"`, or your own.
    pub purpose: String,
}

impl Default for EngineConfig {
    /// 512 slots and 4096 prompt tokens: a whole step of a small model on a CPU. Larger models want
    /// fewer slots, see [`LocalEngine::memory`](crate::LocalEngine::memory).
    fn default() -> Self {
        Self {
            max_slots: 512,
            max_prefill_tokens: 4096,
            max_cache_tokens: None,
            decode_dtype: Dtype::F32,
            decode_on: DecodeOn::Auto,
            purpose: "rollout".to_owned(),
        }
    }
}

impl EngineConfig {
    /// Every problem found; empty if there is none.
    ///
    /// ```
    /// use refire_sample::EngineConfig;
    /// assert!(EngineConfig::default().validate().is_empty());
    /// let problems = EngineConfig { max_slots: 0, ..Default::default() }.validate();
    /// assert_eq!(problems[0].to_string(), "`max_slots` is 0, expected at least 1");
    /// ```
    pub fn validate(&self) -> Vec<CoreError> {
        let counts = [
            ("max_slots", self.max_slots),
            ("max_prefill_tokens", self.max_prefill_tokens),
            ("max_cache_tokens", self.max_cache_tokens.unwrap_or(1)),
        ];
        let zero = counts.into_iter().filter(|(_, n)| *n == 0);
        let mut problems: Vec<CoreError> = zero
            .map(|(field, n)| CoreError::OutOfRange {
                field,
                value: n.to_string(),
                expected: "at least 1",
            })
            .collect();
        if self.purpose.is_empty() {
            let (field, expected) = ("purpose", "a name");
            problems.push(CoreError::OutOfRange { field, value: "\"\"".to_owned(), expected });
        }
        if self.decode_dtype == Dtype::F16 {
            let (field, expected) = ("decode_dtype", "`f32` or `bf16`");
            problems.push(CoreError::OutOfRange { field, value: "f16".to_owned(), expected });
        }
        if self.decode_dtype == Dtype::Bf16 && self.decode_on == DecodeOn::Device {
            let (field, expected) = ("decode_dtype", "`f32` where `decode_on` is `device`");
            problems.push(CoreError::OutOfRange { field, value: "bf16".to_owned(), expected });
        }
        problems
    }

    pub(super) fn decoder(&self, weights: &Decoder) -> Result<Box<dyn Decode>, ModelError> {
        self.decode_on.decoder(weights, self.decode_dtype)
    }

    pub(super) fn purpose(&self) -> Purpose {
        Purpose::named(&self.purpose)
    }
}
