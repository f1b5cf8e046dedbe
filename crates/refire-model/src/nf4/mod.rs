//! Frozen weights in 4 bits: NF4 with double quantisation.
//!
//! Each block of 64 weights, in the order of rows, is divided by its largest absolute value and
//! rounded to the nearest of 16 quantiles of a normal distribution. The blocks' scales, less their
//! mean, are rounded to an 8-bit code book in groups of 256:
//!
//! ```text
//! W_i = NF4[code_i] s_b          s_b = book[code_b] t_g + mean
//! ```
//!
//! which takes 4 + 8 / 64 + 32 / (64 256) = 4.127 bits for each weight. Dettmers et al., arXiv
//! 2305.14314 (QLoRA), sections 2 and 3; the paper's second quantisation is to 8-bit floats, this
//! one is to bitsandbytes' dynamic map, as in its released code.

mod book;
#[cfg(feature = "flex")]
mod host;
mod pack;
mod product;
#[cfg(test)]
mod tests;

use crate::ModelError;
use crate::weights::host_values;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use pack::{BLOCK, CODES, SCALES};
pub(crate) use product::product;

/// A matrix in 4 bits, where its device keeps it.
#[derive(Debug, Clone)]
pub struct Nf4 {
    shape: [usize; 2],
    /// Eight codes in each word.
    codes: Tensor<1, Int>,
    /// Four codes of scales in each word.
    scales: Tensor<1, Int>,
    second: Tensor<1>,
    mean: f32,
}

impl Nf4 {
    /// Quantises a matrix.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_model::Nf4;
    /// let weight = Tensor::from_data([[1.0, -0.5], [0.25, 0.0]], &Device::flex());
    /// let packed = Nf4::new(&weight)?;
    /// let found = packed.whole().into_data().iter::<f32>().collect::<Vec<_>>();
    /// assert_eq!((found[0], found[3]), (1.0, 0.0));
    /// assert!((found[1] + 0.5).abs() < 0.03);
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// When the matrix can't be read from its device, or holds a number that isn't finite.
    pub fn new(weight: &Tensor<2>) -> Result<Self, ModelError> {
        let values = host_values("a weight", weight.clone())?;
        Self::from_values(&values, weight.dims(), &weight.clone().inner().device())
    }

    /// Quantises values in the order of rows.
    pub(crate) fn from_values(
        values: &[f32],
        shape: [usize; 2],
        device: &Device,
    ) -> Result<Self, ModelError> {
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            let (what, value) = ("a weight", f64::from(*value));
            return Err(ModelError::NotFinite { what, value });
        }
        let packed = pack::pack(values);
        let words = |words: Vec<i32>| {
            let n = words.len();
            Tensor::<1, Int>::from_data(TensorData::new(words, [n]), (device, DType::I32))
        };
        let n = packed.second.len();
        Ok(Self {
            shape,
            codes: words(packed.codes),
            scales: words(packed.scales),
            second: Tensor::from_data(TensorData::new(packed.second, [n]), (device, DType::F32)),
            mean: packed.mean,
        })
    }

    /// `[out, in]`.
    pub fn dims(&self) -> [usize; 2] {
        self.shape
    }

    /// Memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let words = [&self.codes, &self.scales].map(|tensor| tensor.dims()[0]);
        4 * (words[0] + words[1] + self.second.dims()[0])
    }

    /// The device it lies on.
    pub fn device(&self) -> Device {
        self.codes.device()
    }

    pub(crate) fn to_device(&self, device: &Device) -> Self {
        Self {
            codes: self.codes.clone().to_device(device),
            scales: self.scales.clone().to_device(device),
            second: self.second.clone().to_device(device),
            ..*self
        }
    }

    /// The matrix in 32 bits, without gradient.
    pub fn whole(&self) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if let Some(host) = host::HostNf4::new(self) {
            return Tensor::from_primitive::<burn::backend::Flex>(host.whole());
        }
        self.composed()
    }

    /// By the device's own operations.
    fn composed(&self) -> Tensor<2> {
        let (device, blocks) = (self.device(), self.blocks());
        let book = |values: Vec<f32>| {
            let n = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [n]), (&device, DType::F32))
        };
        let groups = self.second.dims()[0];
        let second = self.second.clone().reshape([groups, 1]).repeat_dim(1, SCALES);
        let second = second.flatten::<1>(0, 1).narrow(0, 0, blocks);
        let scales = split(&self.scales, 4, 8).narrow(0, 0, blocks);
        let scales = book(book::dynamic()).select(0, scales) * second + self.mean;
        let values = book(book::NF4.to_vec()).select(0, split(&self.codes, CODES, 4));
        let values = values.reshape([blocks, BLOCK]) * scales.reshape([blocks, 1]);
        let count = self.shape.iter().product();
        values.flatten::<1>(0, 1).narrow(0, 0, count).reshape(self.shape)
    }

    fn blocks(&self) -> usize {
        self.shape.iter().product::<usize>().div_ceil(BLOCK)
    }
}

/// The codes in words, so many of so many bits in each, the lowest first.
fn split(words: &Tensor<1, Int>, count: usize, bits: usize) -> Tensor<1, Int> {
    let mask = (1 << bits) - 1;
    let parts = (0..count).map(|place| {
        let shifted = words.clone().bitwise_right_shift_scalar((place * bits) as i32);
        shifted.bitwise_and_scalar(mask)
    });
    Tensor::stack::<2>(parts.collect(), 1).flatten(0, 1)
}
