use super::Nf4;
use burn::tensor::Tensor;

/// `x W^T`, `[n, out]`, by a weight that has no gradient; `dx = dy W`.
///
/// The whole weight lives for the product alone: backward makes it again, so that a step never
/// holds more than one. Away from the CPU backend autodiff keeps it until backward.
pub(crate) fn product(x: Tensor<2>, weight: &Nf4) -> Tensor<2> {
    if !x.is_autodiff() {
        return x.matmul(weight.whole().transpose());
    }
    #[cfg(feature = "flex")]
    if let Some(y) = super::host::product(x.clone(), weight) {
        return y;
    }
    x.matmul(Tensor::from_inner(weight.whole()).transpose())
}
