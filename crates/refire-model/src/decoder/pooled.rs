use crate::{Decoder, ModelError, Rows};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Least norm that a vector is divided by, torch's `F.normalize`.
const EPS: f64 = 1e-12;

/// How the hidden states of a row become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pooling {
    /// Which hidden states count.
    pub kind: PoolingKind,
    /// Whether vectors are divided by their length.
    pub normalize: bool,
}

/// Which hidden states of a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolingKind {
    /// The mean over the tokens of the mask.
    #[default]
    Mean,
    /// The last token of the mask: the only one that has read all of the row.
    LastToken,
}

impl Default for Pooling {
    /// The mean, of length 1: sentence-transformers' usual modules.
    fn default() -> Self {
        Self { kind: PoolingKind::Mean, normalize: true }
    }
}

impl Decoder {
    /// One vector per row, `[rows, hidden]`, from the hidden states after the last norm; tracked if
    /// the decoder's weights are, as contrastive methods need it.
    ///
    /// `mask` says which tokens of each row count (`None`: all of them); tokens outside of it are
    /// read all the same.
    ///
    /// Rows are read as one batch: a row's vector is the same in any company up to rounding. Where
    /// it must be the same bit for bit, ask
    /// [`FrozenDecoder::pooled`](crate::FrozenDecoder::pooled).
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, Pooling, Rows, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let rows = Rows::new(vec![vec![1, 5, 6], vec![1, 7]]);
    /// // The first token of each row, a shared beginning, doesn't count.
    /// let mask = [vec![false, true, true], vec![false, true]];
    /// let vectors = decoder.pooled(&rows, Some(&mask), Pooling::default())?;
    /// assert_eq!(vectors.dims(), [2, decoder.config.hidden_size]);
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`hidden`](Self::hidden), for a mask that doesn't fit its row, and for a row of which
    /// no token counts.
    pub fn pooled(
        &self,
        rows: &Rows,
        mask: Option<&[Vec<bool>]>,
        pooling: Pooling,
    ) -> Result<Tensor<2>, ModelError> {
        let weights = pooling.kind.weights(rows, mask)?;
        let hidden = self.hidden(rows)?;
        let (n, width, size) = (rows.len(), rows.width(), self.config.hidden_size);
        if n == 0 {
            return Ok(hidden);
        }
        let options = (&hidden.device(), hidden.dtype());
        let weights = Tensor::<3>::from_data(TensorData::new(weights, [n, 1, width]), options);
        let pooled = weights.matmul(hidden.reshape([n, width, size])).reshape([n, size]);
        Ok(if pooling.normalize { normalized(pooled) } else { pooled })
    }
}

/// Each row divided by its length.
fn normalized(vectors: Tensor<2>) -> Tensor<2> {
    let lengths = (vectors.clone() * vectors.clone()).sum_dim(1).sqrt().clamp_min(EPS);
    vectors / lengths
}

impl PoolingKind {
    /// Weight of each hidden state, `[rows * width]`: 0 for pads, 1 in sum for each row.
    pub(crate) fn weights(
        self,
        rows: &Rows,
        mask: Option<&[Vec<bool>]>,
    ) -> Result<Vec<f32>, ModelError> {
        if let Some(mask) = mask.filter(|mask| mask.len() != rows.len()) {
            let reason = format!("{} masks for {} rows", mask.len(), rows.len());
            return Err(ModelError::Pooling { reason });
        }
        let width = rows.width();
        let mut weights = vec![0.0; rows.len() * width];
        let of_rows = weights.chunks_exact_mut(width).zip(rows.as_slice()).enumerate();
        for (row, (weights, tokens)) in of_rows {
            let counted = counted(row, tokens.len(), mask.map(|mask| &mask[row][..]))?;
            match self {
                Self::Mean => {
                    let share = (counted.len() as f32).recip();
                    counted.iter().for_each(|position| weights[*position] = share);
                }
                Self::LastToken => {
                    counted.last().into_iter().for_each(|position| weights[*position] = 1.0);
                }
            }
        }
        Ok(weights)
    }
}

/// Positions that count, at least one.
fn counted(row: usize, tokens: usize, mask: Option<&[bool]>) -> Result<Vec<usize>, ModelError> {
    let counted: Vec<usize> = match mask {
        Some(mask) if mask.len() != tokens => {
            let reason =
                format!("the mask of row {row} has {} entries for {tokens} tokens", mask.len());
            return Err(ModelError::Pooling { reason });
        }
        Some(mask) => (0..tokens).filter(|position| mask[*position]).collect(),
        None => (0..tokens).collect(),
    };
    if counted.is_empty() {
        return Err(ModelError::Pooling { reason: format!("no token of row {row} counts") });
    }
    Ok(counted)
}
