use super::forward::token_stats;
use crate::Decoder;
use burn::module::Module;
use refire_core::BoxError;
use refire_objective::{FrozenPolicy, HeadQuery, TokenBatch, TokenStats};

/// A decoder that only answers: the reference of a KL term, an old policy.
#[derive(Debug, Clone)]
pub struct FrozenDecoder(Decoder);

impl FrozenDecoder {
    /// Freezes a decoder. Its tensors are shared, not copied, until the original is updated.
    pub fn new(decoder: &Decoder) -> Self {
        Self(decoder.valid())
    }
}

impl FrozenPolicy for FrozenDecoder {
    fn token_stats(
        &self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
    ) -> Result<TokenStats, BoxError> {
        token_stats(&self.0, batch, query)
    }
}
