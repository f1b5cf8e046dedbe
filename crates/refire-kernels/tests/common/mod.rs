//! A kernel against the composition of burn's operations, which 64-bit tensors take.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Numbers from -1 to 1 that depend on nothing but the seed.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..8).for_each(|_| {
        next();
    });
    (0..count).map(|_| next()).collect()
}

pub(crate) fn tensor<const D: usize>(
    values: &[f64],
    shape: [usize; D],
    dtype: DType,
    device: &Device,
) -> Tensor<D> {
    // Both formats begin at the same 32-bit numbers.
    let values: Vec<f64> = values.iter().map(|x| f64::from(*x as f32)).collect();
    Tensor::from_data(TensorData::new(values, shape), (device, dtype))
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Greatest distance, relative to the greatest number where that is above 1.
#[track_caller]
pub(crate) fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0, |size: f64, x| size.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(a.is_finite() && b.is_finite(), "{what}[{i}]: {a} {b}");
        assert!((a - b).abs() <= tolerance * size, "{what}[{i}]: {a}, expected {b}");
    }
}

/// Sizes at which vectors, blocks and threads have rests.
pub(crate) const SIZES: [usize; 6] = [1, 3, 17, 64, 65, 257];
