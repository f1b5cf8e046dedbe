//! Gated units, element by element.

use super::launch::{Kernel, Kind, Launch, fixed};
use super::memory::{Arg, each, empty, format, readable, whole};
use crate::functions::{CUBIC, ROOT};
use crate::op::{Op, Operand, apply};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// A gate's nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Activation {
    Silu,
    GeluTanh,
}

/// A gated unit; both back where kernels can't read them.
pub(crate) fn gated<const D: usize>(
    activation: Activation,
    gate: Tensor<D>,
    up: Tensor<D>,
) -> Result<Tensor<D>, (Tensor<D>, Tensor<D>)> {
    let (shape, dtype) = (gate.dims(), gate.dtype());
    if shape.contains(&0) || up.dims() != shape || !readable(&gate) || up.dtype() != dtype {
        return Err((gate, up));
    }
    match (Operand::<Cube>::new(gate.clone()), Operand::<Cube>::new(up.clone())) {
        (Some(a), Some(b)) => Ok(apply(Gated(activation), [a, b])),
        _ => Err((gate, up)),
    }
}

#[derive(Debug, Clone)]
struct Gated(Activation);

impl Op<Cube, 2> for Gated {
    type Saved = [FloatTensor<Cube>; 2];

    fn forward(&self, inputs: [FloatTensor<Cube>; 2]) -> (FloatTensor<Cube>, Self::Saved) {
        let [y] = fixed(Cube::launch(Forward(self.0), inputs.to_vec()));
        (y, inputs)
    }

    fn backward(
        self,
        [gate, up]: Self::Saved,
        grad: FloatTensor<Cube>,
        _: [bool; 2],
    ) -> [Option<FloatTensor<Cube>>; 2] {
        fixed(Cube::launch(Backward(self.0), vec![gate, up, grad])).map(Some)
    }
}

#[derive(Debug, Clone)]
struct Forward(Activation);

impl Kernel for Forward {
    const NAME: &'static str = "refire::gated";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        inputs[..1].to_vec()
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let [gate, up] = whole(inputs);
        let y = empty(&gate, &gate.shape(), gate.dtype);
        let (count, dim, total) = each(&gate);
        let (gates, ups) = (gate.arg(), up.arg());
        let own = format(gate.dtype);
        forward::launch(&gate.client, count, dim, gates, ups, y.arg(), total, self.0, own);
        vec![y]
    }
}

#[derive(Debug, Clone)]
struct Backward(Activation);

impl Kernel for Backward {
    const NAME: &'static str = "refire::gated_backward";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        inputs[..2].to_vec()
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let [gate, up, grad] = whole(inputs);
        let (count, dim, total) = each(&gate);
        let of_gate = empty(&gate, &gate.shape(), gate.dtype);
        let of_up = empty(&gate, &gate.shape(), gate.dtype);
        backward::launch(
            &gate.client,
            count,
            dim,
            gate.arg(),
            up.arg(),
            grad.arg(),
            of_gate.arg(),
            of_up.arg(),
            total,
            self.0,
            format(gate.dtype),
        );
        vec![of_gate, of_up]
    }
}

#[cube(launch)]
fn forward<F: Float>(
    gate: &[F],
    up: &[F],
    y: &mut [F],
    total: u32,
    #[comptime] activation: Activation,
    #[define(F)] _format: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < total as usize {
        let x = f32::cast_from(gate[at]);
        y[at] = F::cast_from(x * share(x, activation) * f32::cast_from(up[at]));
    }
}

#[cube(launch)]
fn backward<F: Float>(
    gate: &[F],
    up: &[F],
    grad: &[F],
    of_gate: &mut [F],
    of_up: &mut [F],
    total: u32,
    #[comptime] activation: Activation,
    #[define(F)] _format: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < total as usize {
        let x = f32::cast_from(gate[at]);
        let d = f32::cast_from(grad[at]);
        let share = share(x, activation);
        let tail = share * (1.0 - share);
        let mut slope = share;
        // Where nothing is left of the tail, `u` may be beyond all numbers.
        if tail > 0.0 {
            slope += x * tail * inner_slope(x, activation);
        }
        of_up[at] = F::cast_from(d * x * share);
        of_gate[at] = F::cast_from(d * f32::cast_from(up[at]) * slope);
    }
}

/// Both nonlinearities are `x sigmoid(u(x))`: `u = x`, and for GELU's tanh form
/// `u = 2 sqrt(2 / pi) (x + c x^3)`, since `(1 + tanh(v)) / 2 = sigmoid(2 v)`.
#[cube]
fn share(x: f32, #[comptime] activation: Activation) -> f32 {
    let mut u = x;
    if comptime!(activation == Activation::GeluTanh) {
        u = f32::new(2.0 * ROOT) * (x + f32::new(CUBIC) * x * x * x);
    }
    1.0 / (1.0 + (-u).exp())
}

/// `du / dx`.
#[cube]
fn inner_slope(x: f32, #[comptime] activation: Activation) -> f32 {
    let mut slope = f32::new(1.0);
    if comptime!(activation == Activation::GeluTanh) {
        slope = f32::new(2.0 * ROOT) * (1.0 + f32::new(3.0 * CUBIC) * x * x);
    }
    slope
}
