use super::NAME;
use crate::mask::top_entropy_mask;
use burn::tensor::Tensor;
use refire_core::{BoxError, CoreError, StepView};
use refire_objective::{ObjectiveError, StepContext, Targets, padded};

/// Which tokens of the step have high entropy.
pub(super) struct EntropyMask(Vec<Vec<bool>>);

impl EntropyMask {
    /// From the entropies at the start of the step, so that micro-batches can't change it.
    pub(super) fn of_step(step: &StepView<'_>, fraction: f64) -> Result<Self, BoxError> {
        let entropy = step.columns.entropy.as_ref();
        let entropy = entropy.ok_or(CoreError::MissingColumn { column: "entropy" })?;
        let rows: Vec<&[f32]> = entropy.iter().collect();
        Ok(Self(top_entropy_mask(rows, step.mask, fraction)))
    }

    /// What `prepare` made, if the configuration asks for it.
    pub(super) fn find(
        context: &StepContext,
        fraction: Option<f64>,
    ) -> Result<Option<&Self>, ObjectiveError> {
        let missing = || ObjectiveError::Context { objective: NAME };
        fraction.map(|_| context.get::<Self>().ok_or_else(missing)).transpose()
    }

    /// 1 for the tokens of a micro-batch that stay, `[rows, time]`.
    pub(super) fn rows(&self, targets: &Targets) -> Result<Tensor<2>, ObjectiveError> {
        let row = |id: &usize| {
            let (what, limit) = ("a row of the step", self.0.len());
            let row = self.0.get(*id).map(Vec::as_slice);
            row.ok_or(ObjectiveError::Index { what, found: *id, limit })
        };
        let rows = targets.row_ids.iter().map(row).collect::<Result<Vec<&[bool]>, _>>()?;
        let expected = targets.mask.dims();
        let keep = padded::mask(rows, expected[1], &targets.mask.device());
        if keep.dims() != expected {
            let (found, expected) = (keep.dims().to_vec(), expected.to_vec());
            return Err(ObjectiveError::Shape { what: "the entropy mask", found, expected });
        }
        Ok(keep.cast(targets.mask.dtype()))
    }

    /// Tokens of the whole step that stay.
    pub(super) fn kept(&self) -> f64 {
        self.0.iter().flatten().filter(|keep| **keep).count() as f64
    }
}
