use super::PART;
use super::op::{Op, Operand, apply, like, readable};
use crate::functions::{CUBIC, ROOT, gelu_tanh, sigmoid, silu, tanh};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;
use std::fmt::Debug;

/// A gate's nonlinearity.
pub(crate) trait Activation: Copy + Debug + Send + Sync + 'static {
    fn value(x: f32) -> f32;
    /// Value and slope.
    fn both(x: f32) -> (f32, f32);
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Silu;

impl Activation for Silu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        silu(x)
    }
    #[inline(always)]
    fn both(x: f32) -> (f32, f32) {
        let s = sigmoid(x);
        (x * s, s + x * s * (1.0 - s))
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct GeluTanh;

impl Activation for GeluTanh {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        gelu_tanh(x)
    }
    #[inline(always)]
    fn both(x: f32) -> (f32, f32) {
        let t = tanh(ROOT * (x + CUBIC * x * x * x));
        // Where the tail has ended its factor doesn't matter, as long as it is a number.
        let near = x.clamp(-1e3, 1e3);
        let inner = ROOT * (1.0 + 3.0 * CUBIC * near * near);
        (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)
    }
}

/// `act(gate) * up`; both back where a kernel can't read them.
pub(crate) fn gated<const D: usize, A: Activation>(
    act: A,
    gate: Tensor<D>,
    up: Tensor<D>,
) -> Result<Tensor<D>, (Tensor<D>, Tensor<D>)> {
    if !(readable(&gate) && readable(&up) && gate.dims() == up.dims()) {
        return Err((gate, up));
    }
    match (Operand::new(gate.clone()), Operand::new(up.clone())) {
        (Some(a), Some(b)) => {
            drop((gate, up));
            Ok(apply(Gated(act), [a, b]))
        }
        _ => Err((gate, up)),
    }
}

#[derive(Debug, Clone)]
struct Gated<A>(A);

impl<A: Activation> Op<Flex, 2> for Gated<A> {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [gate, up]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let mut y = vec![0.0; gate.layout().num_elements()];
        let inputs =
            gate.storage::<f32>().par_chunks(PART).zip(up.storage::<f32>().par_chunks(PART));
        y.par_chunks_mut(PART).zip(inputs).for_each(|(y, (gate, up))| {
            Arch::new().dispatch(|| {
                for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
                    *y = A::value(*gate) * up;
                }
            });
        });
        (like(y, &gate), [gate, up])
    }

    fn infer(&self, [mut gate, up]: [FlexTensor; 2]) -> FlexTensor {
        let parts = up.storage::<f32>().par_chunks(PART);
        gate.storage_mut::<f32>().par_chunks_mut(PART).zip(parts).for_each(|(gate, up)| {
            Arch::new().dispatch(|| {
                for (gate, up) in gate.iter_mut().zip(up) {
                    *gate = A::value(*gate) * up;
                }
            });
        });
        gate
    }

    /// Gradients take the place of the inputs, which nobody else holds by now.
    fn backward(
        self,
        [mut gate, mut up]: [FlexTensor; 2],
        grad: FlexTensor,
        _: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let gates = gate.storage_mut::<f32>().par_chunks_mut(PART);
        let ups = up.storage_mut::<f32>().par_chunks_mut(PART);
        let grads = grad.storage::<f32>().par_chunks(PART);
        gates.zip(ups).zip(grads).for_each(|((gate, up), grad)| {
            Arch::new().dispatch(|| {
                for ((gate, up), grad) in gate.iter_mut().zip(up.iter_mut()).zip(grad) {
                    let (value, slope) = A::both(*gate);
                    (*gate, *up) = (grad * *up * slope, grad * value);
                }
            });
        });
        [Some(gate), Some(up)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_extreme_numbers_are_numbers() {
        for x in [3e4, 1e20, f32::MAX] {
            assert_eq!([Silu::both(x).1, GeluTanh::both(x).1], [1.0; 2], "{x}");
            assert_eq!([Silu::both(-x).1, GeluTanh::both(-x).1], [0.0; 2], "-{x}");
        }
    }
}
