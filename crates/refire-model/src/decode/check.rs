//! What every decoder asks of its work.

use super::Work;
use crate::{ModelConfig, ModelError};

/// The cache of one decoder in the hands of another.
pub(super) const FOREIGN: ModelError =
    ModelError::Weights { reason: "a cache belongs to the decoder that made it" };

/// There are new tokens, they are words, and there is room for them.
pub(super) fn check(config: &ModelConfig, work: &[Work<'_>]) -> Result<(), ModelError> {
    for (row, item) in work.iter().enumerate() {
        let (cache, rows) = (&item.cache, config.vocab_size);
        let tokens = cache.len() + item.tokens.len();
        let room = cache.prefix_len() + cache.capacity();
        let context = room.min(config.max_position_embeddings);
        if tokens > context || item.tokens.is_empty() {
            return Err(ModelError::ContextLength { row, tokens, context });
        }
        if let Some(token) = item.tokens.iter().find(|t| **t as usize >= rows) {
            return Err(ModelError::TokenId { token: *token, row, rows });
        }
    }
    Ok(())
}
