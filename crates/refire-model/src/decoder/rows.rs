use crate::{ModelConfig, ModelError};
use burn::tensor::{Int, Tensor, TensorData};

/// Rows of token ids of different lengths. The network reads them one after another, without pads;
/// what it gives is laid out as one right-padded batch.
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

    /// Packed hidden states `[n, hidden]` as those of right-padded rows, `[rows * width, hidden]`;
    /// pads have zeros.
    pub(crate) fn pad(&self, packed: Tensor<2>) -> Tensor<2> {
        let ([n, hidden], width, device) = (packed.dims(), self.width(), packed.device());
        if n == self.len() * width {
            return packed;
        }
        let (mut places, mut next) = (Vec::with_capacity(self.len() * width), 0);
        for (index, row) in self.0.iter().enumerate() {
            places.extend((next..next + row.len()).map(|place| place as i64));
            places.resize((index + 1) * width, n as i64);
            next += row.len();
        }
        // As data: burn's fusion may leave a `zeros` of another shape than its neighbours unwritten.
        let zeros = TensorData::zeros::<f32, _>([1, hidden]);
        let zeros = Tensor::from_data(zeros, (&device, packed.dtype()));
        let count = places.len();
        let places: Tensor<1, Int> = Tensor::from_data(TensorData::new(places, [count]), &device);
        Tensor::cat(vec![packed, zeros], 0).select(0, places)
    }
}
