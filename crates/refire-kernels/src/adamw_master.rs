use crate::{AdamWStep, adamw, check};
use burn::tensor::{DType, Tensor};

/// What AdamW keeps of a weight in half precision, all in 32 bits: updates below the weight's own
/// resolution add up here (Micikevicius et al., arXiv 1710.03740).
#[derive(Debug, Clone)]
pub struct AdamWMaster {
    /// The weight before it is rounded.
    pub weight: Tensor<1>,
    /// Mean of the gradients.
    pub mean: Tensor<1>,
    /// Mean of their squares.
    pub square: Tensor<1>,
}

impl AdamWMaster {
    /// Begins at the weight as it is, with moments of 0.
    ///
    /// ```
    /// use burn::tensor::{DType, Device, Tensor};
    /// use refire_kernels::AdamWMaster;
    /// let weight = Tensor::<1>::ones([2], (&Device::flex(), DType::BF16));
    /// assert_eq!(AdamWMaster::new(&weight).weight.dtype(), DType::F32);
    /// ```
    pub fn new(weight: &Tensor<1>) -> Self {
        let weight = weight.clone().cast(DType::F32);
        let (mean, square) = (weight.zeros_like(), weight.zeros_like());
        Self { weight, mean, square }
    }
}

/// [`adamw`] of a weight in half precision: the update is that of its master, which `weight` is
/// rounded from, to the nearest. What `weight` was counts for nothing but its format and shape;
/// the gradient may be in 16 or in 32 bits.
///
/// The kernel reads gradient and master, and writes moments, master and the rounded weight, in one
/// pass over memory; in place where nobody else holds a tensor.
///
/// ```
/// use burn::tensor::{DType, Device, Tensor};
/// use refire_kernels::{AdamWMaster, AdamWStep, adamw_master};
/// let device = Device::flex();
/// let ones = || Tensor::<1>::ones([1], (&device, DType::BF16));
/// let mut state = (ones(), AdamWMaster::new(&ones()));
/// for step in 1..=100 {
///     let step = AdamWStep {
///         beta1: 0.9, beta2: 0.999, eps: 1e-8, rate: 1e-3, decay: 0.0, grad_scale: 1.0, step,
///     };
///     state = adamw_master(&step, state.0, ones(), state.1);
/// }
/// // A hundred steps of 0.001; each alone is lost between 1 and the number before it, 0.996.
/// assert!((state.0.into_scalar::<f32>() - 0.9).abs() < 2e-3);
/// ```
pub fn adamw_master(
    step: &AdamWStep,
    weight: Tensor<1>,
    grad: Tensor<1>,
    master: AdamWMaster,
) -> (Tensor<1>, AdamWMaster) {
    #[cfg(feature = "flex")]
    let (weight, grad, master) = match crate::flex::adamw_master(step, weight, grad, master) {
        Ok(updated) => return updated,
        Err(inputs) => inputs,
    };
    let dtype = weight.dtype();
    if check::adamw_master(&weight, &grad, &master).is_err() {
        let exact = weight.clone().cast(DType::F32) * f64::NAN;
        let (mean, square) = (exact.clone(), exact.clone());
        return (weight * f64::NAN, AdamWMaster { weight: exact, mean, square });
    }
    drop(weight);
    let AdamWMaster { weight, mean, square } = master;
    let grad = grad.cast(weight.dtype());
    let (weight, [mean, square]) = adamw(step, weight, grad, Some([mean, square]));
    (weight.clone().cast(dtype), AdamWMaster { weight, mean, square })
}
