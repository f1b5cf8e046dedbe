use crate::DpoError;
use crate::stable::{constant, pick};
use burn::tensor::{Bool, Tensor};
use refire_objective::{Loss, ObjectiveError, Targets, TokenStats};

/// The rows of a micro-batch, with zeros at masked positions.
///
/// Zeros before any arithmetic, not after: a gradient of 0 that flows back through an infinite
/// intermediate is not a number.
pub(super) struct Rows<'a> {
    objective: &'static str,
    stats: &'a TokenStats,
    targets: &'a Targets,
    hidden: Tensor<2, Bool>,
    pub(super) mask: Tensor<2>,
    /// `[rows, time]`.
    pub(super) logprobs: Tensor<2>,
    /// Visible tokens, `[rows]`.
    pub(super) lengths: Tensor<1>,
}

impl<'a> Rows<'a> {
    pub(super) fn gather(
        objective: &'static str,
        stats: &'a TokenStats,
        targets: &'a Targets,
    ) -> Result<Self, DpoError> {
        let mask = targets.mask.clone().cast(stats.logprobs.dtype());
        let hidden = mask.clone().equal_scalar(0.0);
        let lengths = row_sums(mask.clone());
        let logprobs = visible("logprobs", &stats.logprobs, &hidden)?;
        Ok(Self { objective, stats, targets, hidden, mask, logprobs, lengths })
    }

    /// What to return for a micro-batch without rows: tensors without rows can't be broadcast, the
    /// sum of nothing keeps its graph.
    pub(super) fn nothing(stats: &TokenStats, targets: &Targets) -> Option<Loss> {
        let empty = targets.mask.dims()[0] == 0;
        empty.then(|| Loss { total: stats.logprobs.clone().sum(), metrics: Vec::new() })
    }

    /// Log-probabilities under the reference, `[rows, time]`.
    pub(super) fn ref_logprobs(&self) -> Result<Tensor<2>, DpoError> {
        let column = Targets::require(&self.targets.ref_logprobs, "ref_logprobs", self.objective)?;
        Ok(visible("ref_logprobs", column, &self.hidden)?.cast(self.logprobs.dtype()))
    }

    /// Sums of squared probabilities, `[rows, time]`.
    pub(super) fn sum_sq(&self) -> Result<Tensor<2>, DpoError> {
        let column = Targets::require(&self.stats.sum_sq, "sum_sq", self.objective)?;
        Ok(visible("sum_sq", column, &self.hidden)?)
    }

    /// Sum of each row's entropies, where they were computed.
    pub(super) fn entropy(&self) -> Result<Option<Tensor<1>>, DpoError> {
        let sums = |column| Ok(row_sums(visible("entropy", column, &self.hidden)?));
        self.stats.entropy.as_ref().map(sums).transpose()
    }

    /// Log-probability of each row, `[rows]`.
    pub(super) fn logps(&self) -> Tensor<1> {
        row_sums(self.logprobs.clone())
    }

    /// The same per token, `[rows]`.
    pub(super) fn mean_logps(&self) -> Tensor<1> {
        crate::loss::per_token(self.logps(), self.lengths.clone())
    }

    /// Log-probability of each row under the reference, `[rows]`.
    pub(super) fn ref_logps(&self) -> Result<Tensor<1>, DpoError> {
        Ok(row_sums(self.ref_logprobs()?))
    }

    /// One label per row.
    pub(super) fn labels(&self) -> Result<&'a [f64], DpoError> {
        self.per_row(&self.targets.labels, "labels")
    }

    /// One margin per row.
    pub(super) fn margins(&self) -> Result<&'a [f64], DpoError> {
        self.per_row(&self.targets.margins, "margins")
    }

    fn per_row(
        &self,
        column: &'a Option<Vec<f64>>,
        name: &'static str,
    ) -> Result<&'a [f64], DpoError> {
        let missing = DpoError::MissingRows { objective: self.objective, column: name };
        let column = column.as_ref().ok_or(missing)?;
        self.counted(name, column)?;
        Ok(column)
    }

    /// One group per row.
    pub(super) fn groups(&self) -> Result<&'a [usize], DpoError> {
        self.counted("groups", &self.targets.groups)?;
        Ok(&self.targets.groups)
    }

    /// Index of each row in the step.
    pub(super) fn ids(&self) -> Result<&'a [usize], DpoError> {
        self.counted("row_ids", &self.targets.row_ids)?;
        Ok(&self.targets.row_ids)
    }

    fn counted<T>(&self, what: &'static str, column: &[T]) -> Result<(), DpoError> {
        let (found, expected) = (column.len(), self.mask.dims()[0]);
        if found == expected { Ok(()) } else { Err(DpoError::Count { what, found, expected }) }
    }

    /// Weight of each row's loss: the mean of its token weights, 1 for an empty row.
    pub(super) fn weights(&self) -> Result<Option<Tensor<1>>, DpoError> {
        let mean = |column| {
            let sums = row_sums(visible("weights", column, &self.hidden)?);
            let empty = self.lengths.clone().equal_scalar(0.0);
            Ok(crate::loss::per_token(sums, self.lengths.clone()).mask_fill(empty, 1.0).detach())
        };
        self.targets.weights.as_ref().map(mean).transpose()
    }

    /// Numbers of chosen places, on the device.
    pub(super) fn constant(&self, values: Vec<f64>) -> Tensor<1> {
        constant(values, &self.lengths)
    }

    /// The rows' loss weights at these places applied to a loss `[places]`.
    pub(super) fn weighted(
        &self,
        loss: Tensor<1>,
        places: &[usize],
    ) -> Result<Tensor<1>, DpoError> {
        Ok(match self.weights()? {
            Some(weights) => loss * pick(&weights, places).cast(self.logprobs.dtype()),
            None => loss,
        })
    }
}

/// Sums over time, `[rows]`.
pub(super) fn row_sums(column: Tensor<2>) -> Tensor<1> {
    let rows = column.dims()[0];
    column.sum_dim(1).reshape([rows])
}

fn visible(
    what: &'static str,
    column: &Tensor<2>,
    hidden: &Tensor<2, Bool>,
) -> Result<Tensor<2>, ObjectiveError> {
    let (found, expected) = (column.dims(), hidden.dims());
    if found != expected {
        let (found, expected) = (found.to_vec(), expected.to_vec());
        return Err(ObjectiveError::Shape { what, found, expected });
    }
    Ok(column.clone().mask_fill(hidden.clone(), 0.0))
}
