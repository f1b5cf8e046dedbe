use crate::check;
use burn::tensor::{Tensor, activation};

/// `silu(gate) * up`, all of one shape: the gated unit of Llama (Shazeer, arXiv 2002.05202).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex().autodiff();
/// let gate = Tensor::<2>::from_data([[0.0, 1.0]], &device).require_grad();
/// let up = Tensor::from_data([[3.0, 2.0]], &device);
/// let y = refire_kernels::swiglu(gate.clone(), up);
/// let slope = gate.grad(&y.sum().backward());
/// // silu'(0) = 1/2.
/// assert_eq!(slope.map(|g| g.into_data().iter::<f32>().next()), Some(Some(1.5)));
/// ```
pub fn swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    let (gate, up) = match crate::flex::gated(crate::flex::Silu, gate, up) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    #[cfg(feature = "cube")]
    let (gate, up) = match crate::cube::gated(crate::cube::Activation::Silu, gate, up) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    plain_swiglu(gate, up)
}

/// [`swiglu`](crate::swiglu) composed of burn's operations.
///
/// ```
/// use burn::tensor::{DType, Device, Tensor};
/// use refire_kernels::{plain, swiglu};
/// // 64-bit numbers have no kernel: the function is its composition.
/// let x = Tensor::<1>::from_data([-1.0, 2.0], (&Device::flex(), DType::F64));
/// let composed = plain::swiglu(x.clone(), x.clone());
/// assert_eq!(composed.into_data(), swiglu(x.clone(), x).into_data());
/// ```
pub fn plain_swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    if check::alike(&gate, &up).is_err() {
        let shape = gate.dims();
        return check::nothing(gate, shape);
    }
    activation::silu(gate) * up
}

/// `gelu(gate) * up` with the tanh form of GELU, `gelu_pytorch_tanh`: Gemma's gated unit.
///
/// ```text
/// gelu(x) = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
/// ```
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let gate = Tensor::<1>::from_data([0.0, 1.0, -10.0], &device);
/// let y = refire_kernels::geglu(gate, Tensor::ones([3], &device));
/// let expected = Tensor::from_data([0.0, 0.841_192, 0.0], &device);
/// assert!((y - expected).abs().max().into_scalar::<f32>() < 1e-6);
/// ```
pub fn geglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    let (gate, up) = match crate::flex::gated(crate::flex::GeluTanh, gate, up) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    #[cfg(feature = "cube")]
    let (gate, up) = match crate::cube::gated(crate::cube::Activation::GeluTanh, gate, up) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    plain_geglu(gate, up)
}

/// [`geglu`](crate::geglu) composed of burn's operations.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_kernels::{geglu, plain};
/// let x = Tensor::<1>::from_data([-1.0, 2.0], &Device::flex());
/// let gap = plain::geglu(x.clone(), x.clone()) - geglu(x.clone(), x);
/// assert!(gap.abs().max().into_scalar::<f32>() < 1e-6);
/// ```
pub fn plain_geglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    if check::alike(&gate, &up).is_err() {
        let shape = gate.dims();
        return check::nothing(gate, shape);
    }
    let x = gate;
    let cube = x.clone() * x.clone() * x.clone();
    let inner = (x.clone() + cube * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
    x * (inner.tanh() + 1.0) * 0.5 * up
}
