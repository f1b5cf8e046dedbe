use crate::check;
use burn::tensor::Tensor;

/// `x W^T`: `x` `[n, in]`, `weight` `[out, in]` to `[n, out]`.
///
/// ```text
/// dx = dy W        dW = dy^T x
/// ```
///
/// The weight's gradient comes out in the weight's own layout; composed of a transposition and a
/// product it would be a transposed view, which costs a copy to whoever adds it up.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let x = Tensor::<2>::from_data([[1.0, 2.0]], &device);
/// let weight = Tensor::from_data([[1.0, 0.0], [1.0, 1.0]], &device);
/// let y = refire_kernels::linear(x, weight);
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 3.0]);
/// ```
pub fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    let (x, weight) = match crate::flex::linear(x, weight) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    #[cfg(feature = "cube")]
    let (x, weight) = match crate::cube::linear(x, weight) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    plain(x, weight)
}

/// [`linear`](crate::linear) composed of burn's operations.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let x = Tensor::<2>::from_data([[1.0, 2.0]], &device);
/// let weight = Tensor::from_data([[1.0, 0.0], [1.0, 1.0]], &device);
/// let y = refire_kernels::plain::linear(x, weight);
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 3.0]);
/// ```
pub fn plain(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    if check::linear(&x, &weight).is_err() {
        let shape = [x.dims()[0], weight.dims()[0]];
        return check::nothing(x, shape);
    }
    x.matmul(weight.transpose())
}
