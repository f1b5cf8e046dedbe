use crate::{ModelConfig, ModelError};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Rows of token ids of different lengths, read as one right-padded batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows(Vec<Vec<u32>>);

impl Rows {
    /// Rows as they are; each starts at position 0.
    pub fn new(rows: Vec<Vec<u32>>) -> Self {
        Self(rows)
    }

    /// Rows of a padded batch, on either side, by its attention mask (0 or 1).
    ///
    /// ```
    /// use refire_model::Rows;
    /// let left = Rows::from_mask(&[[0, 5, 6]], &[[0, 1, 1]]);
    /// let right = Rows::from_mask(&[[5, 6, 0]], &[[1, 1, 0]]);
    /// assert_eq!(left, right);
    /// ```
    pub fn from_mask<A: AsRef<[u32]>, B: AsRef<[u8]>>(
        input_ids: &[A],
        attention_mask: &[B],
    ) -> Self {
        let real = |ids: &A, mask: &B| {
            let pairs = ids.as_ref().iter().zip(mask.as_ref());
            pairs.filter(|(_, m)| **m != 0).map(|(id, _)| *id).collect()
        };
        Self(input_ids.iter().zip(attention_mask).map(|(ids, mask)| real(ids, mask)).collect())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Length of the longest row, at least 1.
    pub fn width(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0).max(1)
    }

    /// The rows.
    pub fn as_slice(&self) -> &[Vec<u32>] {
        &self.0
    }

    pub(crate) fn check(&self, config: &ModelConfig) -> Result<(), ModelError> {
        for (row, tokens) in self.0.iter().enumerate() {
            let (context, rows) = (config.context(), config.vocab_size);
            if tokens.len() > context {
                return Err(ModelError::ContextLength { row, tokens: tokens.len(), context });
            }
            if let Some(token) = tokens.iter().find(|t| **t as usize >= rows) {
                return Err(ModelError::TokenId { token: *token, row, rows });
            }
        }
        Ok(())
    }

    /// `[rows * width]` ids; pads read token 0, whose hidden state nobody looks at.
    pub(crate) fn ids(&self, device: &Device) -> Tensor<1, Int> {
        let width = self.width();
        let mut ids = vec![0_i64; self.len() * width];
        for (padded, row) in ids.chunks_exact_mut(width).zip(&self.0) {
            padded.iter_mut().zip(row).for_each(|(slot, id)| *slot = i64::from(*id));
        }
        let n = ids.len();
        Tensor::from_data(TensorData::new(ids, [n]), device)
    }
}
