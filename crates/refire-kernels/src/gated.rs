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
    plain_swiglu(gate, up)
}

/// [`swiglu`] composed of burn's operations.
pub fn plain_swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    activation::silu(gate) * up
}

/// `gelu(gate) * up` with the tanh form of GELU, `gelu_pytorch_tanh`: Gemma's gated unit.
///
/// ```text
/// gelu(x) = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
/// ```
pub fn geglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    let (gate, up) = match crate::flex::gated(crate::flex::GeluTanh, gate, up) {
        Ok(y) => return y,
        Err(inputs) => inputs,
    };
    plain_geglu(gate, up)
}

/// [`geglu`] composed of burn's operations.
pub fn plain_geglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    let x = gate;
    let cube = x.clone() * x.clone() * x.clone();
    let inner = (x.clone() + cube * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
    x * (inner.tanh() + 1.0) * 0.5 * up
}
