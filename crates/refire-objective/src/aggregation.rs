use crate::{Counts, ObjectiveError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Which rows a mean over rows counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowCount {
    /// Every row, as TRL counts.
    #[default]
    All,
    /// Rows with at least one token, as verl counts.
    NonEmpty,
}

/// How per-token losses `l` with mask `m` become one number.
///
/// `N` is the number of tokens and `B` of rows, of the whole optimiser step when [`Counts`] are
/// given, of this batch otherwise. Empty rows add zero with a live graph, never NaN.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_objective::Aggregation;
/// let device = Device::flex();
/// let loss = Tensor::<2>::from_data([[1.0, 3.0], [8.0, 0.0]], &device);
/// let mask = Tensor::<2>::from_data([[1.0, 1.0], [1.0, 0.0]], &device);
/// let mean = |how: Aggregation| how.reduce(loss.clone(), mask.clone(), None).into_scalar::<f32>();
/// assert_eq!(mean(Aggregation::TokenMean), 4.0);
/// assert_eq!(mean(Aggregation::seq_mean_token_mean(Default::default())), 5.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Aggregation {
    /// `sum(m l) / N`: DAPO, TRL's `dapo`, verl's `token-mean`.
    TokenMean,
    /// `sum(m l) / N` with the N of the micro-batch, averaged over micro-batches: TRL's `bnpo`.
    /// The gradient depends on how a step is split.
    TokenMeanLocal,
    /// `mean_i(sum_t(m l) / (sum_t(m) + length_eps))`: GRPO, verl's `seq-mean-token-mean`. Empty
    /// rows add 0.
    SeqMeanTokenMean {
        /// Rows the outer mean counts.
        rows: RowCount,
        /// Added to the length of a row: 0, or 1e-8 as verl and OpenRLHF do.
        #[serde(default)]
        length_eps: f64,
    },
    /// `mean_i(sum_t(m l))`: verl's `seq-mean-token-sum`; over all rows it is LUSPO's.
    SeqMeanTokenSum {
        /// Rows the outer mean counts.
        rows: RowCount,
    },
    /// `sum(m l) / length`, over B as well if `per_row`: Dr.GRPO. TRL's `dr_grpo` divides by
    /// `B * max_completion_length`; verl's `seq-mean-token-sum-norm` leaves B out.
    SumNorm {
        /// The constant length.
        length: f64,
        /// Divide by the number of rows too.
        per_row: bool,
    },
}

impl Aggregation {
    /// [`SeqMeanTokenMean`](Self::SeqMeanTokenMean) by exact lengths.
    pub const fn seq_mean_token_mean(rows: RowCount) -> Self {
        Self::SeqMeanTokenMean { rows, length_eps: 0.0 }
    }

    /// Reduces `loss` `[rows, time]` under `mask` `[rows, time]` (0 or 1) to `[1]`.
    ///
    /// With `counts` the result is this batch's share of the step's loss: shares add up to it.
    pub fn reduce(&self, loss: Tensor<2>, mask: Tensor<2>, counts: Option<&Counts>) -> Tensor<1> {
        // A masked position may hold anything, even infinity; times zero that would be NaN.
        let loss = loss.mask_fill(mask.clone().equal_scalar(0.0), 0.0);
        match *self {
            Self::TokenMean => loss.sum() / divisor(counts.map(|c| c.tokens), || mask.sum()),
            Self::TokenMeanLocal => {
                let share = counts.map_or(1.0, |c| c.micro_batches);
                loss.sum() / (divisor(None, || mask.sum()) * share)
            }
            Self::SeqMeanTokenMean { rows, length_eps } => {
                let lengths = mask.clone().sum_dim(1).clamp_min(1.0) + length_eps;
                (loss.sum_dim(1) / lengths).sum() / row_count(rows, mask, counts)
            }
            Self::SeqMeanTokenSum { rows } => loss.sum() / row_count(rows, mask, counts),
            Self::SumNorm { length, per_row } => {
                let rows = counts.map_or(mask.dims()[0] as f64, |c| c.rows).max(1.0);
                loss.sum() / Divisor::Known(length * if per_row { rows } else { 1.0 })
            }
        }
    }

    /// Weight of each token's loss in [`reduce`](Self::reduce): the coefficients `w` `[rows, time]`
    /// with `reduce(l) = sum(w l)`.
    pub fn weights(&self, mask: Tensor<2>, counts: Option<&Counts>) -> Tensor<2> {
        let dims = mask.dims();
        match *self {
            Self::TokenMean => {
                mask.clone() / spread(divisor(counts.map(|c| c.tokens), || mask.sum()), dims)
            }
            Self::TokenMeanLocal => {
                let share = counts.map_or(1.0, |c| c.micro_batches);
                mask.clone() / spread(divisor(None, || mask.sum()) * share, dims)
            }
            Self::SeqMeanTokenMean { rows, length_eps } => {
                let lengths = mask.clone().sum_dim(1).clamp_min(1.0) + length_eps;
                mask.clone() / lengths / spread(row_count(rows, mask, counts), dims)
            }
            Self::SeqMeanTokenSum { rows } => {
                mask.clone() / spread(row_count(rows, mask, counts), dims)
            }
            Self::SumNorm { length, per_row } => {
                let rows = counts.map_or(dims[0] as f64, |c| c.rows).max(1.0);
                mask / (length * if per_row { rows } else { 1.0 })
            }
        }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let problem = |field, value: f64, expected| {
            vec![ObjectiveError::OutOfRange { field, value: value.to_string(), expected }]
        };
        match *self {
            Self::SumNorm { length, .. } if !(length.is_finite() && length > 0.0) => {
                problem("aggregation.length", length, "a positive number")
            }
            Self::SeqMeanTokenMean { length_eps: eps, .. } if !(eps.is_finite() && eps >= 0.0) => {
                problem("aggregation.length_eps", eps, "0 or a small positive number")
            }
            _ => Vec::new(),
        }
    }
}

#[allow(clippy::large_enum_variant, reason = "lives for one expression")]
enum Divisor {
    Known(f64),
    Counted(Tensor<1>),
}

// Multiplies by the reciprocal: burn's gradient of a division by a scalar rounds it to 32 bits.
impl std::ops::Div<Divisor> for Tensor<1> {
    type Output = Self;
    fn div(self, divisor: Divisor) -> Self {
        match divisor {
            Divisor::Known(value) => self * value.recip(),
            Divisor::Counted(value) => self / value,
        }
    }
}

impl std::ops::Mul<f64> for Divisor {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        match self {
            Self::Known(value) => Self::Known(value * factor),
            Self::Counted(value) => Self::Counted(value * factor),
        }
    }
}

// A count of zero divides a sum of zero: any positive divisor gives the zero we want.
fn divisor(known: Option<f64>, count: impl FnOnce() -> Tensor<1>) -> Divisor {
    match known {
        Some(value) => Divisor::Known(value.max(1.0)),
        None => Divisor::Counted(count().clamp_min(1.0)),
    }
}

fn row_count(rows: RowCount, mask: Tensor<2>, counts: Option<&Counts>) -> Divisor {
    match rows {
        RowCount::All => Divisor::Known(counts.map_or(mask.dims()[0] as f64, |c| c.rows).max(1.0)),
        RowCount::NonEmpty => {
            divisor(counts.map(|c| c.nonempty_rows), || mask.sum_dim(1).clamp_max(1.0).sum())
        }
    }
}

fn spread(divisor: Divisor, dims: [usize; 2]) -> Spread {
    match divisor {
        Divisor::Known(value) => Spread::Known(value),
        Divisor::Counted(value) => Spread::Counted(value.reshape([1, 1]).expand(dims)),
    }
}

#[allow(clippy::large_enum_variant, reason = "lives for one expression")]
enum Spread {
    Known(f64),
    Counted(Tensor<2>),
}

impl std::ops::Div<Spread> for Tensor<2> {
    type Output = Self;
    fn div(self, divisor: Spread) -> Self {
        match divisor {
            Spread::Known(value) => self / value,
            Spread::Counted(value) => self / value,
        }
    }
}
