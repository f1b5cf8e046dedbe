use super::forward::{head_input, token_stats};
use crate::Decoder;
use burn::module::Module;
use refire_core::BoxError;
use refire_objective::head::HeadInput;
use refire_objective::{FrozenPolicy, HeadQuery, TokenBatch, TokenStats};

/// A decoder that only answers: the reference of a KL term, an old policy.
#[derive(Debug, Clone)]
pub struct FrozenDecoder {
    decoder: Decoder,
    shards: usize,
}

impl FrozenDecoder {
    /// Freezes a decoder. Its tensors are shared, not copied, until the original is updated.
    pub fn new(decoder: &Decoder) -> Self {
        Self { decoder: decoder.valid(), shards: 1 }
    }

    /// Reads batches in this many shards at once; see
    /// [`LearnerConfig::shards`](crate::LearnerConfig::shards).
    pub fn with_shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    pub(super) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Replaces the weights.
    pub(super) fn change(&mut self, change: impl FnOnce(Decoder) -> Decoder) {
        self.decoder = change(self.decoder.clone());
    }
}

impl FrozenPolicy for FrozenDecoder {
    fn token_stats(
        &self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
    ) -> Result<TokenStats, BoxError> {
        token_stats(&self.decoder, batch, query, self.shards)
    }

    fn head_input(&self, batch: &TokenBatch) -> Result<HeadInput, BoxError> {
        head_input(&self.decoder, batch, self.shards)
    }
}
