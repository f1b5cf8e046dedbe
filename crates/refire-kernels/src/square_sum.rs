use burn::tensor::{DType, Tensor};

/// The sum of squares, `[1]`; of numbers in half precision it is taken in 32 bits.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let x = Tensor::<1>::from_data([3.0, 4.0], &Device::flex());
/// assert_eq!(refire_kernels::square_sum(&x).into_scalar::<f32>(), 25.0);
/// ```
pub fn square_sum(x: &Tensor<1>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if let Some(sum) = crate::flex::square_sum(x) {
        return sum;
    }
    #[cfg(feature = "cube")]
    if let Some(sum) = crate::cube::square_sum(x) {
        return sum;
    }
    let x = match x.dtype() {
        DType::F64 => x.clone(),
        _ => x.clone().cast(DType::F32),
    };
    (x.clone() * x).sum()
}
