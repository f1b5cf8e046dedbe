use super::EngineConfig;
use super::lane::Lane;
use super::pool::Pool;
use crate::SampleError;
use refire_model::{Decode, WeightHandle};

/// The other policy of a blend.
pub(super) struct Partner {
    decoder: Box<dyn Decode>,
    pool: Pool,
}

impl Partner {
    pub(super) fn new(
        handle: &WeightHandle,
        vocab: usize,
        config: &EngineConfig,
    ) -> Result<Self, SampleError> {
        let decoder = handle.with(|decoder, _| config.decoder(decoder))??;
        let (found, expected) = (decoder.vocab(), vocab);
        if found != expected {
            return Err(SampleError::Vocabulary { found, expected });
        }
        Ok(Self { decoder, pool: Pool::default() })
    }

    pub(super) fn context(&self) -> usize {
        self.decoder.context()
    }

    pub(super) fn bytes_per_token(&self) -> usize {
        self.decoder.cache_bytes_per_token()
    }

    pub(super) fn lane(&mut self, capacity: usize) -> Lane<'_> {
        self.pool.reserve(capacity);
        Lane { decoder: &*self.decoder, pool: &mut self.pool, logits: Vec::new() }
    }
}
