//! Ragged host rows as right-padded `[rows, time]` tensors, and back.

use burn::tensor::{Device, Tensor, TensorData};

/// Rows of numbers as `[rows, time]`, padded on the right with 0. Longer rows are not cut: `width`
/// grows to the longest.
///
/// ```
/// use burn::tensor::Device;
/// use refire_objective::padded;
/// let tensor = padded::floats([&[1.0, 2.0][..], &[3.0][..]], 2, &Device::flex());
/// assert_eq!(padded::rows(tensor, &[2, 1]), [vec![1.0, 2.0], vec![3.0]]);
/// ```
pub fn floats<'a>(
    rows: impl IntoIterator<Item = &'a [f32]>,
    width: usize,
    device: &Device,
) -> Tensor<2> {
    let rows: Vec<&[f32]> = rows.into_iter().collect();
    let width = rows.iter().map(|r| r.len()).max().unwrap_or(0).max(width).max(1);
    let mut values = vec![0.0_f32; rows.len() * width];
    for (padded, row) in values.chunks_exact_mut(width).zip(&rows) {
        padded[..row.len()].copy_from_slice(row);
    }
    Tensor::from_data(TensorData::new(values, [rows.len(), width]), device)
}

/// Masks as `[rows, time]` of 0 and 1, padded with 0.
pub fn mask<'a>(
    rows: impl IntoIterator<Item = &'a [bool]>,
    width: usize,
    device: &Device,
) -> Tensor<2> {
    let rows: Vec<Vec<f32>> =
        rows.into_iter().map(|r| r.iter().map(|m| f32::from(u8::from(*m))).collect()).collect();
    floats(rows.iter().map(Vec::as_slice), width, device)
}

/// The first `lengths[i]` values of each row.
pub fn rows(tensor: Tensor<2>, lengths: &[usize]) -> Vec<Vec<f32>> {
    let [_, width] = tensor.dims();
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    values.chunks(width.max(1)).zip(lengths).map(|(row, n)| row[..*n].to_vec()).collect()
}
