use super::op::whole;
use burn::backend::Flex;
use burn::tensor::Tensor;

/// Adds rows in place; both back where a kernel can't read them.
pub(crate) fn add_rows(
    sum: Tensor<2>,
    indices: &[u32],
    rows: Tensor<2>,
) -> Result<Tensor<2>, (Tensor<2>, Tensor<2>)> {
    let ([count, width], [n, row_width]) = (sum.dims(), rows.dims());
    let fits = width == row_width
        && n == indices.len()
        && indices.iter().all(|index| (*index as usize) < count);
    let tensors = if fits { (whole(&sum), whole(&rows)) } else { (None, None) };
    let (Some(mut total), Some(parts)) = tensors else { return Err((sum, rows)) };
    drop((sum, rows));
    let values = total.storage_mut::<f32>();
    for (index, part) in indices.iter().zip(parts.storage::<f32>().chunks_exact(width.max(1))) {
        let row = &mut values[*index as usize * width..][..width];
        row.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
    Ok(Tensor::from_primitive::<Flex>(total))
}
