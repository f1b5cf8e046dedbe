//! The sum of squares, by cubes and then by one.

use super::launch::{Kernel, Kind, Launch, fixed};
use super::memory::{Arg, UNITS, empty, format, readable, whole};
use super::reduce::together;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{DType, Tensor};
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Numbers that a unit adds up before its cube does.
const EACH: usize = 32;
/// Cubes at most.
const MOST: usize = 1024;

/// The sum of squares; `None` where kernels can't read the tensor.
pub(crate) fn square_sum(x: &Tensor<1>) -> Option<Tensor<1>> {
    if !readable(x) || x.dims()[0] == 0 {
        return None;
    }
    let x = x.clone().try_into_primitive::<Cube>().ok()?;
    let [sum] = fixed(Cube::launch(SquareSum, vec![x]));
    Some(Tensor::from_primitive::<Cube>(sum))
}

#[derive(Debug, Clone)]
struct SquareSum;

impl Kernel for SquareSum {
    const NAME: &'static str = "refire::square_sum";

    fn outputs(&self, _: &[Kind]) -> Vec<Kind> {
        vec![([1].into(), DType::F32)]
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let [x] = whole(inputs);
        let total = x.shape().num_elements();
        let cubes = total.div_ceil(UNITS * EACH).min(MOST);
        let parts = empty(&x, &[cubes], DType::F32);
        let sum = empty(&x, &[1], DType::F32);
        let dim = CubeDim::new_1d(UNITS as u32);
        let count = CubeCount::Static(cubes as u32, 1, 1);
        let own = format(x.dtype);
        add::launch(&x.client, count, dim, x.arg(), parts.arg(), total as u32, true, own);
        let (one, single) = (CubeCount::Static(1, 1, 1), format(DType::F32));
        add::launch(&x.client, one, dim, parts.arg(), sum.arg(), cubes as u32, false, single);
        vec![sum]
    }
}

/// One sum by each cube, of numbers that lie as far apart as there are units.
#[cube(launch)]
fn add<F: Float>(
    x: &[F],
    sums: &mut [f32],
    total: u32,
    #[comptime] square: bool,
    #[define(F)] _format: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = f32::new(0.0);
    let mut at = CUBE_POS_X * CUBE_DIM + UNIT_POS;
    while at < total {
        let value = f32::cast_from(x[at as usize]);
        if comptime!(square) {
            sum += value * value;
        } else {
            sum += value;
        }
        at += CUBE_COUNT_X * CUBE_DIM;
    }
    let sum = together(sum, &mut shared, UNITS);
    if UNIT_POS == 0 {
        sums[CUBE_POS_X as usize] = sum;
    }
}
