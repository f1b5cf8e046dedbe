use super::PART;
use super::number::{BLOCK, Number};
use super::op::{memory, tensor};
use crate::sums::sum_of_squares;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor};
use half::{bf16, f16};
use pulp::Arch;
use rayon::prelude::*;

/// The sum of squares; `None` where a kernel can't read the tensor.
pub(crate) fn square_sum(x: &Tensor<1>) -> Option<Tensor<1>> {
    let x = memory(x)?;
    let sum = match x.dtype() {
        DType::F32 => sum(&x, sum_of_squares),
        DType::BF16 => sum(&x, widened::<bf16>),
        DType::F16 => sum(&x, widened::<f16>),
        _ => return None,
    };
    Some(Tensor::from_primitive::<Flex>(tensor(vec![sum as f32], [1])))
}

fn sum<N: Number>(x: &FlexTensor, squares: impl Fn(&[N]) -> f32 + Sync) -> f64 {
    let parts = N::read(x).par_chunks(PART);
    let parts = parts.map(|part| f64::from(Arch::new().dispatch(|| squares(part))));
    // Parts are the same for any number of threads, and are added in their order.
    parts.collect::<Vec<f64>>().iter().sum()
}

#[inline(always)]
fn widened<N: Number>(part: &[N]) -> f32 {
    let mut wide = [0.0; BLOCK];
    let blocks = part.chunks(BLOCK).map(|block| {
        let wide = &mut wide[..block.len()];
        N::widen(block, wide);
        sum_of_squares(wide)
    });
    blocks.sum()
}
