//! How far a rounded product would be from the plain one.

use super::QatConfig;
use super::fake::Rounding;
use super::hadamard::Rotation;
use crate::ModelError;
use burn::tensor::Tensor;
use std::sync::Mutex;

/// Sums the squared error of a linear map's rounded products, and the squares of the plain ones.
#[derive(Debug)]
pub(crate) struct Probe {
    rounding: Rounding,
    /// Of inputs and weight alike.
    rotation: Option<Rotation>,
    sums: Mutex<Sums>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    error: f64,
    size: f64,
    /// Whether a sum couldn't be read.
    failed: bool,
}

impl Probe {
    pub(super) fn new(config: &QatConfig, rotation: Option<Rotation>) -> Self {
        let (weight, input) = (Some(config.weights()), Some(config.inputs()));
        let rounding = Rounding { weight, input, online: rotation.clone() };
        Self { rounding, rotation, sums: Mutex::default() }
    }

    /// The plain product.
    pub(super) fn product(&self, x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
        let y = x.clone().matmul(weight.clone().transpose());
        let turned = match &self.rotation {
            Some(rotation) => rotation.apply(weight),
            None => weight,
        };
        let gap = self.rounding.product(x, turned) - y.clone();
        let square = |t: Tensor<2>| (t.clone() * t).sum().inner().try_into_scalar::<f32>();
        let found = (square(gap), square(y.clone()));
        if let Ok(mut sums) = self.sums.lock() {
            match found {
                (Ok(error), Ok(size)) => {
                    sums.error += f64::from(error);
                    sums.size += f64::from(size);
                }
                _ => sums.failed = true,
            }
        }
        y
    }

    /// The error as a share of the product's size; nothing for a map that read nothing.
    pub(super) fn relative(&self, what: &str) -> Result<Option<f64>, ModelError> {
        let failed = |reason: &str| ModelError::Device {
            what: format!("the rounding error of {what}"),
            reason: reason.to_owned(),
        };
        let sums = self.sums.lock().map_err(|_| failed("a thread failed"))?;
        if sums.failed {
            return Err(failed("a sum could not be read"));
        }
        if !sums.error.is_finite() || !sums.size.is_finite() {
            return Err(ModelError::NotFinite { what: "a rounding error", value: sums.error });
        }
        Ok((sums.size > 0.0).then(|| sums.error / sums.size))
    }
}
