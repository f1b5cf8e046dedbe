//! Networks with frozen weights in 4 bits.

use super::Decoder;
use crate::adapter::linears;
use crate::nn::LinearWeight;
use crate::{ModelError, Nf4};

/// Whether the linear map at this path is put in 4 bits: those of the layers, but no router.
///
/// As bitsandbytes does with a model from transformers, except for experts, which transformers 5
/// keeps where it doesn't see them.
pub(crate) fn is_packed(path: &str) -> bool {
    path.starts_with("model.layers.") && !path.ends_with(".mlp.gate")
}

impl Decoder {
    /// The network with the weights of its layers' linear maps in 4 bits ([`Nf4`]), for an adapter
    /// to be trained beside them: QLoRA. Embedding, head, norms, biases and routers stay.
    ///
    /// They are frozen, and made whole for each product, in forward and again in backward.
    /// [`HostDecoder`](crate::HostDecoder) makes them whole once and keeps them.
    ///
    /// A network in 4 bits is another network than the one it was made of:
    /// [`dequantized`](Self::dequantized) is the same in 32 bits.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, LoraConfig, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let before = decoder.weight_bytes();
    /// let packed = decoder.quantized()?;
    /// assert!(packed.weight_bytes() < before / 7);
    /// let trained = packed.with_lora(&LoraConfig::default(), 0)?;
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// When the network has an adapter or rounds already, or a weight can't be read or isn't finite.
    pub fn quantized(mut self) -> Result<Self, ModelError> {
        if self.adapter().is_some() {
            let reason = "attach it after the weights are put in 4 bits".to_owned();
            return Err(ModelError::Adapter { reason });
        }
        if self.is_rounded() {
            let reason = "the network rounds already (without_rounding gives its weights)";
            return Err(ModelError::Quantization { reason: reason.to_owned() });
        }
        for named in linears(&mut self) {
            if let LinearWeight::Whole(weight) = &named.linear.weight
                && is_packed(&named.name)
            {
                named.linear.weight = Nf4::new(&weight.val())?.into();
            }
        }
        Ok(self)
    }

    /// The network with all weights in 32 bits, rounded as they are, and trained again; its adapter
    /// stays where it is.
    pub fn dequantized(&self) -> Self {
        let mut decoder = self.clone();
        for named in linears(&mut decoder) {
            if let LinearWeight::Packed(weight) = &named.linear.weight {
                named.linear.weight = weight.whole().into();
            }
        }
        decoder
    }

    /// Whether weights are in 4 bits.
    pub fn is_quantized(&self) -> bool {
        self.packed_count() > 0
    }

    /// Memory of the weights of the layers' linear maps, in bytes.
    pub fn weight_bytes(&self) -> usize {
        self.sum(|name, weight| if is_packed(name) { weight.bytes() } else { 0 })
    }

    /// Weights in 4 bits, which aren't parameters to burn.
    pub(crate) fn packed_count(&self) -> usize {
        self.sum(|_, weight| match weight {
            LinearWeight::Packed(_) => weight.dims().iter().product(),
            LinearWeight::Whole(_) => 0,
        })
    }

    fn sum(&self, of: impl Fn(&str, &LinearWeight) -> usize) -> usize {
        let mut all = self.clone();
        linears(&mut all).iter().map(|named| of(&named.name, &named.linear.weight)).sum()
    }
}
