//! Rotary positions, one pair by each unit.

use super::launch::{Kernel, Kind, Launch, fixed};
use super::memory::{Arg, each, empty, format, readable, whole};
use crate::Turns;
use crate::op::{Op, Operand, apply};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Rotary positions; the input back where kernels can't read it.
pub(crate) fn rope(x: Tensor<3>, turns: &Turns) -> Result<Tensor<3>, Tensor<3>> {
    let ([n, heads, d], [tokens, pairs], dtype) = (x.dims(), turns.cos.dims(), x.dtype());
    let fits = n == tokens && 2 * pairs <= d && n * heads * pairs > 0 && readable(&x);
    let table = |table: &Tensor<2>| {
        let fits = fits && table.dtype() == dtype;
        fits.then(|| table.clone().inner().try_into_primitive::<Cube>().ok()).flatten()
    };
    let (Some(cos), Some(sin)) = (table(&turns.cos), table(&turns.sin)) else { return Err(x) };
    match Operand::<Cube>::new(x.clone()) {
        Some(operand) => Ok(apply(Rotate { cos, sin }, [operand])),
        None => Err(x),
    }
}

#[derive(Debug, Clone)]
struct Rotate {
    cos: FloatTensor<Cube>,
    sin: FloatTensor<Cube>,
}

impl Op<Cube, 1> for Rotate {
    type Saved = ();

    fn forward(&self, [x]: [FloatTensor<Cube>; 1]) -> (FloatTensor<Cube>, ()) {
        (self.turned(x, 1.0), ())
    }

    /// The other way round.
    fn backward(
        self,
        (): (),
        grad: FloatTensor<Cube>,
        _: [bool; 1],
    ) -> [Option<FloatTensor<Cube>>; 1] {
        [Some(self.turned(grad, -1.0))]
    }
}

impl Rotate {
    fn turned(&self, x: FloatTensor<Cube>, direction: f32) -> FloatTensor<Cube> {
        let inputs = vec![x, self.cos.clone(), self.sin.clone()];
        let [y] = fixed(Cube::launch(Turn { direction }, inputs));
        y
    }
}

/// Of `x` and the tables.
#[derive(Debug, Clone)]
struct Turn {
    direction: f32,
}

impl Kernel for Turn {
    const NAME: &'static str = "refire::rope";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        inputs[..1].to_vec()
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let [x, cos, sin] = whole(inputs);
        let y = empty(&x, &x.shape(), x.dtype);
        let (count, dim, total) = each(&x);
        let (heads, d, pairs) = (x.shape()[1], x.shape()[2], cos.shape()[1]);
        turn::launch(
            &x.client,
            count,
            dim,
            x.arg(),
            cos.arg(),
            sin.arg(),
            y.arg(),
            total,
            self.direction,
            heads,
            d,
            pairs,
            format(x.dtype),
        );
        vec![y]
    }
}

#[cube(launch)]
fn turn<F: Float>(
    x: &[F],
    cos: &[F],
    sin: &[F],
    y: &mut [F],
    total: u32,
    direction: f32,
    #[comptime] heads: usize,
    #[comptime] d: usize,
    #[comptime] pairs: usize,
    #[define(F)] _format: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < total as usize {
        let within = at % d;
        let table = at / comptime!(heads * d) * pairs;
        if within < pairs {
            let cos = f32::cast_from(cos[table + within]);
            let sin = f32::cast_from(sin[table + within]) * direction;
            let low = f32::cast_from(x[at]);
            let high = f32::cast_from(x[at + pairs]);
            y[at] = F::cast_from(low * cos - high * sin);
            y[at + pairs] = F::cast_from(high * cos + low * sin);
        } else if within >= comptime!(2 * pairs) {
            y[at] = x[at];
        }
    }
}
