use crate::qat::{Quantizer, Rounding};
use crate::{Linear, ModelError};
use burn::tensor::Tensor;

/// What a network that rounds makes of a map's inputs, and of its weight beforehand.
pub(super) struct HostRounding(Rounding);

impl HostRounding {
    pub(super) fn of(linear: &Linear) -> Result<Option<Self>, ModelError> {
        match &linear.quantizer {
            None => Ok(None),
            Some(Quantizer::Rounding(rounding)) => Ok(Some(Self(rounding.clone()))),
            Some(Quantizer::Probe(_)) => {
                Err(ModelError::Weights { reason: "a network whose errors are measured" })
            }
        }
    }

    pub(super) fn weight(&self, weight: Tensor<2>) -> Tensor<2> {
        self.0.rounded(weight.inner())
    }

    /// Inputs `[m, k]` as the product reads them. A token's depend on it alone.
    pub(super) fn inputs(&self, x: &[f32], k: usize, out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(x);
        out.chunks_exact_mut(k.max(1)).for_each(|row| self.0.round_row(row));
    }
}
