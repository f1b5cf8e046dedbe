use super::{Decode, DeviceDecoder, HostDecoder};
use crate::{Decoder, ModelError};
use refire_objective::Dtype;
use serde::{Deserialize, Serialize};

/// Where a decoder generates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeOn {
    /// On the weights' device; on the CPU where that is the CPU, and for models and number formats
    /// that only the CPU's decoder has: bf16, and frequencies that change with a row's length.
    #[default]
    Auto,
    /// On the CPU by [`HostDecoder`], wherever the weights are: a sequence's draws don't depend on
    /// other sequences.
    Cpu,
    /// On the weights' device by [`DeviceDecoder`].
    Device,
}

impl DecodeOn {
    /// The decoder that generates there, its matrices stored as `dtype`.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decode, DecodeOn, Decoder, Dtype, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let host = DecodeOn::Auto.decoder(&decoder, Dtype::F32)?;
    /// let other = DecodeOn::Device.decoder(&decoder, Dtype::F32)?;
    /// assert_eq!(host.vocab(), other.vocab());
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`HostDecoder::stored`] and [`DeviceDecoder::new`]; and for bf16 on a device.
    pub fn decoder(self, decoder: &Decoder, dtype: Dtype) -> Result<Box<dyn Decode>, ModelError> {
        let on_device = match self {
            Self::Auto => {
                dtype == Dtype::F32 && !is_cpu(decoder) && DeviceDecoder::supports(&decoder.config)
            }
            Self::Cpu => false,
            Self::Device => true,
        };
        if !on_device {
            return Ok(Box::new(HostDecoder::stored(decoder, dtype)?));
        }
        if dtype != Dtype::F32 {
            let reason = "decoding on a device reads weights as they are: leave the format at f32";
            return Err(ModelError::Weights { reason });
        }
        Ok(Box::new(DeviceDecoder::new(decoder)?))
    }
}

/// Whether the weights are where the CPU's kernels read them.
fn is_cpu(decoder: &Decoder) -> bool {
    #[cfg(feature = "flex")]
    {
        let weight = decoder.model.norm.weight.val().inner();
        weight.try_into_primitive::<burn::backend::Flex>().is_ok()
    }
    #[cfg(not(feature = "flex"))]
    {
        let _ = decoder;
        false
    }
}
