//! RMSNorm, one cube for each row.
//!
//! ```text
//! g = dy (w + added)     dx = i (g - x i^2 mean(g x))     dw = sum over rows of dy x i
//! ```

use super::launch::{Kernel, Kind, Launch, fixed};
use super::memory::{Arg, MOST_CUBES, UNITS, empty, format, readable, row_cubes, whole};
use super::reduce::together;
use crate::op::{Op, Operand, apply};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{DType, Tensor};
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Rows of which the weight's gradient is summed up in one go.
const SLICE: usize = 64;

/// RMSNorm; both back where kernels can't read them.
pub(crate) fn rms_norm(
    x: Tensor<2>,
    weight: Tensor<1>,
    eps: f64,
    offset: bool,
) -> Result<Tensor<2>, (Tensor<2>, Tensor<1>)> {
    let ([n, width], dtype) = (x.dims(), x.dtype());
    if n * width == 0 || weight.dims() != [width] || !readable(&x) || weight.dtype() != dtype {
        return Err((x, weight));
    }
    match (Operand::<Cube>::new(x.clone()), Operand::<Cube>::new(weight.clone())) {
        (Some(a), Some(b)) => {
            let added = if offset { 1.0 } else { 0.0 };
            Ok(apply(Norm { eps: eps as f32, added }, [a, b]))
        }
        _ => Err((x, weight)),
    }
}

#[derive(Debug, Clone, Copy)]
struct Norm {
    eps: f32,
    /// What is added to the weight to give the factor.
    added: f32,
}

impl Op<Cube, 2> for Norm {
    type Saved = [FloatTensor<Cube>; 2];

    fn forward(&self, inputs: [FloatTensor<Cube>; 2]) -> (FloatTensor<Cube>, Self::Saved) {
        let [y] = fixed(Cube::launch(Forward(*self), inputs.to_vec()));
        (y, inputs)
    }

    fn backward(
        self,
        [x, weight]: Self::Saved,
        grad: FloatTensor<Cube>,
        _: [bool; 2],
    ) -> [Option<FloatTensor<Cube>>; 2] {
        fixed(Cube::launch(Backward(self), vec![x, weight, grad])).map(Some)
    }
}

/// Of `x` and the weight.
#[derive(Debug, Clone)]
struct Forward(Norm);

impl Kernel for Forward {
    const NAME: &'static str = "refire::rms_norm";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        inputs[..1].to_vec()
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let [x, weight] = whole(inputs);
        let y = empty(&x, &x.shape(), x.dtype);
        let (rows, width) = (x.shape()[0], x.shape()[1]);
        let units = units(width);
        forward::launch(
            &x.client,
            row_cubes(rows),
            CubeDim::new_1d(units as u32),
            x.arg(),
            weight.arg(),
            y.arg(),
            rows as u32,
            width as u32,
            self.0.eps,
            self.0.added,
            units,
            format(x.dtype),
        );
        vec![y]
    }
}

/// Of `x`, the weight and the result's gradient: gradients of both.
#[derive(Debug, Clone)]
struct Backward(Norm);

impl Kernel for Backward {
    const NAME: &'static str = "refire::rms_norm_backward";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        inputs[..2].to_vec()
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let [x, weight, grad] = whole(inputs);
        let (rows, width, own) = (x.shape()[0], x.shape()[1], format(x.dtype));
        let slices = rows.div_ceil(SLICE);
        let units = units(width);
        let x_grad = empty(&x, &x.shape(), x.dtype);
        let weight_grad = empty(&x, &weight.shape(), x.dtype);
        let inverses = empty(&x, &[rows], DType::F32);
        let parts = empty(&x, &[slices, width], DType::F32);
        backward::launch(
            &x.client,
            row_cubes(rows),
            CubeDim::new_1d(units as u32),
            x.arg(),
            weight.arg(),
            grad.arg(),
            x_grad.arg(),
            inverses.arg(),
            rows as u32,
            width as u32,
            self.0.eps,
            self.0.added,
            units,
            own,
        );
        let columns = width.div_ceil(UNITS) as u32;
        weight_parts::launch(
            &x.client,
            CubeCount::Static(
                columns,
                slices.min(MOST_CUBES) as u32,
                slices.div_ceil(MOST_CUBES) as u32,
            ),
            CubeDim::new_1d(UNITS as u32),
            x.arg(),
            grad.arg(),
            inverses.arg(),
            parts.arg(),
            rows as u32,
            width as u32,
            SLICE as u32,
            own,
        );
        add_parts::launch(
            &x.client,
            CubeCount::Static(columns, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            parts.arg(),
            weight_grad.arg(),
            slices as u32,
            width as u32,
            own,
        );
        vec![x_grad, weight_grad]
    }
}

fn units(width: usize) -> usize {
    width.next_power_of_two().clamp(32, UNITS)
}

#[cube(launch)]
fn forward<F: Float>(
    x: &[F],
    weight: &[F],
    y: &mut [F],
    rows: u32,
    width: u32,
    eps: f32,
    added: f32,
    #[comptime] units: usize,
    #[define(F)] _format: ElemType,
) {
    let row = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    let mut sums = Shared::<[f32]>::new_slice(units);
    if row < rows {
        let begin = (row * width) as usize;
        let mut sum = f32::new(0.0);
        let mut at = UNIT_POS;
        while at < width {
            let value = f32::cast_from(x[begin + at as usize]);
            sum += value * value;
            at += CUBE_DIM;
        }
        let sum = together(sum, &mut sums, units);
        let inverse = 1.0 / (sum / f32::cast_from(width) + eps).sqrt();
        let mut at = UNIT_POS;
        while at < width {
            let factor = f32::cast_from(weight[at as usize]) + added;
            let value = f32::cast_from(x[begin + at as usize]);
            y[begin + at as usize] = F::cast_from(value * inverse * factor);
            at += CUBE_DIM;
        }
    }
}

#[cube(launch)]
fn backward<F: Float>(
    x: &[F],
    weight: &[F],
    grad: &[F],
    x_grad: &mut [F],
    inverses: &mut [f32],
    rows: u32,
    width: u32,
    eps: f32,
    added: f32,
    #[comptime] units: usize,
    #[define(F)] _format: ElemType,
) {
    let row = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    let mut sums = Shared::<[f32]>::new_slice(units);
    if row < rows {
        let begin = (row * width) as usize;
        let mut squares = f32::new(0.0);
        let mut common = f32::new(0.0);
        let mut at = UNIT_POS;
        while at < width {
            let value = f32::cast_from(x[begin + at as usize]);
            let factor = f32::cast_from(weight[at as usize]) + added;
            squares += value * value;
            common += value * factor * f32::cast_from(grad[begin + at as usize]);
            at += CUBE_DIM;
        }
        let squares = together(squares, &mut sums, units);
        let common = together(common, &mut sums, units);
        let inverse = 1.0 / (squares / f32::cast_from(width) + eps).sqrt();
        let back = common / f32::cast_from(width) * inverse * inverse;
        let mut at = UNIT_POS;
        while at < width {
            let value = f32::cast_from(x[begin + at as usize]);
            let factor = f32::cast_from(weight[at as usize]) + added;
            let g = f32::cast_from(grad[begin + at as usize]) * factor;
            x_grad[begin + at as usize] = F::cast_from(inverse * (g - value * back));
            at += CUBE_DIM;
        }
        if UNIT_POS == 0 {
            inverses[row as usize] = inverse;
        }
    }
}

/// One column of a slice of rows by each unit.
#[cube(launch)]
fn weight_parts<F: Float>(
    x: &[F],
    grad: &[F],
    inverses: &[f32],
    parts: &mut [f32],
    rows: u32,
    width: u32,
    slice: u32,
    #[define(F)] _format: ElemType,
) {
    let column = CUBE_POS_X * CUBE_DIM + UNIT_POS;
    let index = CUBE_POS_Z * CUBE_COUNT_Y + CUBE_POS_Y;
    let first = index * slice;
    if column < width && first < rows {
        let end = min(first + slice, rows);
        let mut sum = f32::new(0.0);
        for row in first..end {
            let at = (row * width + column) as usize;
            sum += f32::cast_from(grad[at]) * f32::cast_from(x[at]) * inverses[row as usize];
        }
        parts[(index * width + column) as usize] = sum;
    }
}

#[cube(launch)]
fn add_parts<F: Float>(
    parts: &[f32],
    weight_grad: &mut [F],
    slices: u32,
    width: u32,
    #[define(F)] _format: ElemType,
) {
    let column = CUBE_POS_X * CUBE_DIM + UNIT_POS;
    if column < width {
        let mut sum = f32::new(0.0);
        for slice in 0..slices {
            sum += parts[(slice * width + column) as usize];
        }
        weight_grad[column as usize] = F::cast_from(sum);
    }
}
