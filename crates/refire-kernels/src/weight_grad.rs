use crate::check;
use burn::tensor::Tensor;

/// `sum + dy^T x`, the gradient of the weight of `y = x W^T`: `sum` `[out, in]`, `dy` `[n, out]`,
/// `x` `[n, in]`. In place where nobody else holds `sum`, without a second matrix of its size.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let sum = Tensor::<2>::ones([2, 1], &device);
/// let dy = Tensor::from_data([[1.0, 2.0], [0.0, 1.0]], &device);
/// let x = Tensor::from_data([[3.0], [4.0]], &device);
/// let sum = refire_kernels::add_weight_grad(sum, dy, x);
/// assert_eq!(sum.into_data().iter::<f32>().collect::<Vec<_>>(), [4.0, 11.0]);
/// ```
pub fn add_weight_grad(sum: Tensor<2>, dy: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    let (sum, dy, x) = match crate::flex::add_weight_grad(sum, dy, x) {
        Ok(sum) => return sum,
        Err(inputs) => inputs,
    };
    if check::add_weight_grad(&sum, &dy, &x).is_err() {
        let shape = sum.dims();
        return check::nothing(sum, shape);
    }
    if dy.dims().contains(&0) || x.dims().contains(&0) {
        return sum;
    }
    sum + dy.transpose().matmul(x)
}
