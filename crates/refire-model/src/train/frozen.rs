use super::forward::{head_input, token_stats};
use crate::{Decoder, ModelError, Pooling, Rows};
use burn::module::Module;
use burn::tensor::Tensor;
use rayon::prelude::*;
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

    /// One vector per row as from [`Decoder::pooled`], `[rows, hidden]`, without gradient.
    ///
    /// Each row is read by itself, several at once: its vector is the same bit for bit in any
    /// company, so vectors may be kept and compared across calls.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, FrozenDecoder, Pooling, Rows, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let frozen = FrozenDecoder::new(&decoder);
    /// let rows = Rows::new(vec![vec![1, 5, 6], vec![1, 7]]);
    /// let vectors = frozen.pooled(&rows, None, Pooling::default())?;
    /// let alone = frozen.pooled(&Rows::new(vec![vec![1, 7]]), None, Pooling::default())?;
    /// assert_eq!(vectors.narrow(0, 1, 1).into_data(), alone.into_data());
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Decoder::pooled`].
    pub fn pooled(
        &self,
        rows: &Rows,
        mask: Option<&[Vec<bool>]>,
        pooling: Pooling,
    ) -> Result<Tensor<2>, ModelError> {
        // Checked as a whole first, so that errors name the right row.
        rows.check(&self.decoder.config)?;
        pooling.kind.weights(rows, mask)?;
        if rows.is_empty() {
            return self.decoder.pooled(rows, mask, pooling);
        }
        let read = rows.as_slice().par_iter().enumerate().map(|(index, row)| {
            let mask = mask.map(|mask| &mask[index..=index]);
            self.decoder.pooled(&Rows::new(vec![row.clone()]), mask, pooling)
        });
        Ok(Tensor::cat(read.collect::<Result<Vec<_>, _>>()?, 0))
    }

    pub(crate) fn decoder(&self) -> &Decoder {
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
