use crate::check;
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

/// Adds `rows` `[n, width]` to the rows of `sum` `[count, width]` with these indices: the gradient
/// of an embedding. In place where nobody else holds `sum`; rows that are named several times are
/// added in their order.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let sum = Tensor::<2>::zeros([2, 1], &device);
/// let rows = Tensor::from_data([[1.0], [2.0]], &device);
/// let sum = refire_kernels::add_rows(sum, &[1, 1], rows);
/// assert_eq!(sum.into_data().iter::<f32>().collect::<Vec<_>>(), [0.0, 3.0]);
/// ```
pub fn add_rows(sum: Tensor<2>, indices: &[u32], rows: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    let (sum, rows) = match crate::flex::add_rows(sum, indices, rows) {
        Ok(sum) => return sum,
        Err(inputs) => inputs,
    };
    if check::add_rows(&sum, indices, &rows).is_err() {
        let shape = sum.dims();
        return check::nothing(sum, shape);
    }
    if indices.is_empty() || sum.dims().contains(&0) {
        return sum;
    }
    let places: Vec<i64> = indices.iter().map(|index| i64::from(*index)).collect();
    let places = TensorData::new(places, [indices.len()]);
    let places: Tensor<1, Int> = Tensor::from_data(places, &sum.device());
    sum.select_assign(0, places, rows, IndexingUpdateOp::Add)
}
