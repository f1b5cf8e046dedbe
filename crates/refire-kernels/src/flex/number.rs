//! Numbers in 32 and in 16 bits, which kernels compute with in 32.

use burn::backend::flex::FlexTensor;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// Numbers that are made wider at a time, so that they stay in the nearest cache.
pub(super) const BLOCK: usize = 512;

/// A format of numbers in memory.
pub(super) trait Number: Copy + Send + Sync + 'static {
    /// A tensor's numbers, which must be of this format.
    fn read(tensor: &FlexTensor) -> &[Self];
    fn write(tensor: &mut FlexTensor) -> &mut [Self];
    /// Exact.
    fn widen(from: &[Self], to: &mut [f32]);
    /// To the nearest, to the even one of two.
    fn narrow(from: &[f32], to: &mut [Self]);
}

impl Number for f32 {
    fn read(tensor: &FlexTensor) -> &[Self] {
        tensor.storage()
    }
    fn write(tensor: &mut FlexTensor) -> &mut [Self] {
        tensor.storage_mut()
    }
    #[inline(always)]
    fn widen(from: &[Self], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
    #[inline(always)]
    fn narrow(from: &[f32], to: &mut [Self]) {
        to.copy_from_slice(from);
    }
}

impl Number for bf16 {
    fn read(tensor: &FlexTensor) -> &[Self] {
        tensor.storage()
    }
    fn write(tensor: &mut FlexTensor) -> &mut [Self] {
        tensor.storage_mut()
    }
    #[inline(always)]
    fn widen(from: &[Self], to: &mut [f32]) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from.to_f32());
    }
    #[inline(always)]
    fn narrow(from: &[f32], to: &mut [Self]) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = Self::from_f32(*from));
    }
}

impl Number for f16 {
    fn read(tensor: &FlexTensor) -> &[Self] {
        tensor.storage()
    }
    fn write(tensor: &mut FlexTensor) -> &mut [Self] {
        tensor.storage_mut()
    }
    fn widen(from: &[Self], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
    fn narrow(from: &[f32], to: &mut [Self]) {
        to.convert_from_f32_slice(from);
    }
}
