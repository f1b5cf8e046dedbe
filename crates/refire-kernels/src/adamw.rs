use crate::check;
use burn::tensor::Tensor;

/// One update of AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Decay of the mean.
    pub beta1: f64,
    /// Decay of the mean square.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Learning rate.
    pub rate: f64,
    /// Share of the weight that is taken away: rate times weight decay.
    pub decay: f64,
    /// What the gradient is multiplied by first: a clipping coefficient, or 1.
    pub grad_scale: f64,
    /// Number of updates so far, this one included.
    pub step: u64,
}

/// Weight, mean and mean square after an update of AdamW (Loshchilov and Hutter, arXiv
/// 1711.05101), as torch computes it; without moments they begin at 0.
///
/// ```text
/// m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
/// w = w (1 - decay) - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
/// ```
///
/// The kernel goes over memory once and works in place where nobody else holds a tensor.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_kernels::{AdamWStep, adamw};
/// let device = Device::flex();
/// let ones = || Tensor::<1>::ones([2], &device);
/// let step = AdamWStep {
///     beta1: 0.9, beta2: 0.999, eps: 1e-8, rate: 0.1, decay: 0.0, grad_scale: 1.0, step: 1,
/// };
/// let (weight, _) = adamw(&step, ones(), ones(), None);
/// assert!((weight.into_data().iter::<f32>().next().unwrap_or(0.0) - 0.9).abs() < 1e-6);
/// ```
pub fn adamw(
    step: &AdamWStep,
    weight: Tensor<1>,
    grad: Tensor<1>,
    moments: Option<[Tensor<1>; 2]>,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let moments = moments.unwrap_or_else(|| [grad.zeros_like(), grad.zeros_like()]);
    if check::adamw(&weight, &grad, moments.each_ref()).is_err() {
        let weight = weight * f64::NAN;
        return (weight.clone(), [weight.clone(), weight]);
    }
    let [mean, square] = moments;
    #[cfg(feature = "flex")]
    let [weight, grad, mean, square] = match crate::flex::adamw(step, [weight, grad, mean, square])
    {
        Ok(updated) => return updated,
        Err(inputs) => inputs,
    };
    #[cfg(feature = "cube")]
    let [weight, grad, mean, square] = match crate::cube::adamw(step, [weight, grad, mean, square])
    {
        Ok(updated) => return updated,
        Err(inputs) => inputs,
    };
    let grad = if step.grad_scale == 1.0 { grad } else { grad * step.grad_scale };
    let mean = mean * step.beta1 + grad.clone() * (1.0 - step.beta1);
    let square = square * step.beta2 + grad.clone() * grad * (1.0 - step.beta2);
    let [first, second] = step.corrections();
    let root = square.clone().sqrt() / second.sqrt() + step.eps;
    let delta = mean.clone() / root * (step.rate / first);
    let kept = if step.decay == 0.0 { weight } else { weight * (1.0 - step.decay) };
    (kept - delta, [mean, square])
}

impl AdamWStep {
    /// `1 - beta^t` of both moments.
    pub(crate) fn corrections(&self) -> [f64; 2] {
        let t = i32::try_from(self.step).unwrap_or(i32::MAX);
        [self.beta1, self.beta2].map(|beta| 1.0 - beta.powi(t))
    }
}
