use crate::check;
use burn::tensor::Tensor;

/// A number on which to call `backward`, so that the gradient of `y` is `grad`: for going on
/// through a graph from a gradient that comes from elsewhere. Numbers of this kind, and other
/// losses, may be added. The value itself means nothing.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex().autodiff();
/// let x = Tensor::<2>::from_data([[1.0, 2.0]], &device).require_grad();
/// let y = x.clone() * 3.0;
/// let grad = Tensor::from_data([[1.0, 10.0]], &Device::flex());
/// let grads = refire_kernels::seed(y, grad).backward();
/// let found = x.grad(&grads).map(|g| g.into_data().iter::<f32>().collect::<Vec<_>>());
/// assert_eq!(found, Some(vec![3.0, 30.0]));
/// ```
pub fn seed(y: Tensor<2>, grad: Tensor<2>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    let (y, grad) = match crate::flex::seed(y, grad) {
        Ok(number) => return number,
        Err(inputs) => inputs,
    };
    #[cfg(feature = "cube")]
    let (y, grad) = match crate::cube::seed(y, grad) {
        Ok(number) => return number,
        Err(inputs) => inputs,
    };
    if check::alike(&y.clone().inner(), &grad).is_err() {
        return check::nothing(y, [1]);
    }
    (y * Tensor::from_inner(grad)).sum()
}
