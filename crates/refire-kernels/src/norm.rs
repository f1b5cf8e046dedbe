use crate::check;
use burn::tensor::{DType, Tensor};

/// `x / sqrt(mean(x^2) + eps) * weight` over the last dimension of `[n, width]` (Zhang and
/// Sennrich, arXiv 1910.07467); in at least 32 bits, whatever the
/// format of `x`.
///
/// With `offset` the factor is `1 + weight`, as in Gemma's norms.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let x = Tensor::<2>::from_data([[3.0, -3.0]], &device);
/// let weight = Tensor::from_data([1.0, 0.5], &device);
/// let y = refire_kernels::rms_norm(x, weight, 0.0, false);
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, -0.5]);
/// ```
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64, offset: bool) -> Tensor<2> {
    #[cfg(feature = "flex")]
    let (x, weight) = match crate::flex::rms_norm(x, weight, eps, offset) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    #[cfg(feature = "cube")]
    let (x, weight) = match crate::cube::rms_norm(x, weight, eps, offset) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    plain(x, weight, eps, offset)
}

/// [`rms_norm`](crate::rms_norm) composed of burn's operations.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let x = Tensor::<2>::from_data([[3.0, -3.0]], &device);
/// let y = refire_kernels::plain::rms_norm(x, Tensor::ones([2], &device), 0.0, false);
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, -1.0]);
/// ```
pub fn plain(x: Tensor<2>, weight: Tensor<1>, eps: f64, offset: bool) -> Tensor<2> {
    if check::rms_norm(&x, &weight).is_err() {
        let shape = x.dims();
        return check::nothing(x, shape);
    }
    if x.dims().contains(&0) {
        return x;
    }
    let dtype = x.dtype();
    if matches!(dtype, DType::F32 | DType::F64) {
        return composed(x, weight, eps, offset);
    }
    composed(x.cast(DType::F32), weight.cast(DType::F32), eps, offset).cast(dtype)
}

fn composed(x: Tensor<2>, weight: Tensor<1>, eps: f64, offset: bool) -> Tensor<2> {
    let scale = ((x.clone() * x.clone()).mean_dim(1) + eps).sqrt();
    let weight = if offset { weight + 1.0 } else { weight };
    x / scale * weight.unsqueeze()
}
