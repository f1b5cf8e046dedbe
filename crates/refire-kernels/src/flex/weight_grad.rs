use super::PART;
use super::linear::transposed;
use super::op::{contiguous, whole};
use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{Slice, Tensor};
use rayon::prelude::*;

/// Numbers of a product that are made before they are added.
const BLOCK: usize = PART << 6;

type Inputs = (Tensor<2>, Tensor<2>, Tensor<2>);

/// Some rows of the product after the others; everything back where a kernel can't read it.
pub(crate) fn add_weight_grad(
    sum: Tensor<2>,
    dy: Tensor<2>,
    x: Tensor<2>,
) -> Result<Tensor<2>, Inputs> {
    let [[out, width], [n, dy_out], [x_n, x_width]] = [sum.dims(), dy.dims(), x.dims()];
    let fits = [out, width, n] == [dy_out, x_width, x_n] && out * width * n > 0;
    if !fits {
        return Err((sum, dy, x));
    }
    let (Some(mut total), Some(grad), Some(input)) = (whole(&sum), whole(&dy), whole(&x)) else {
        return Err((sum, dy, x));
    };
    drop(sum);
    let rows = BLOCK.div_ceil(width);
    for (i, block) in total.storage_mut::<f32>().chunks_mut(rows * width).enumerate() {
        let columns = i * rows..i * rows + block.len() / width;
        let columns = Flex::float_slice(grad.clone(), &[Slice::full(), columns.into()]);
        let part = contiguous(Flex::float_matmul(transposed(columns), input.clone()));
        let parts = part.storage::<f32>().par_chunks(PART);
        block.par_chunks_mut(PART).zip(parts).for_each(|(total, part)| {
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        });
    }
    Ok(Tensor::from_primitive::<Flex>(total))
}
