//! An adapter folded into the weights, and taken out again.

use super::Lora;
use super::linears::linears;
use crate::{Decoder, ModelError};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

impl Decoder {
    /// A network without adapter that answers as this one does: `W + s B A`, and DoRA's
    /// `c (W + s B A)`, in the place of `W`. Weights without an adapter are shared; the others are
    /// new. All of them can be trained again.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, LoraConfig, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let merged = decoder.with_lora(&LoraConfig::default(), 0)?.merged();
    /// assert!(merged.adapter().is_none());
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    pub fn merged(&self) -> Self {
        self.fold(|weight, lora| {
            let sum = weight.clone() + product(lora);
            match lora.factors(|| weight) {
                Some(factors) => sum * factors.unsqueeze_dim(1),
                None => sum,
            }
        })
    }

    /// For a network of merged weights that has been given their adapter: the network before the
    /// merge, `W - s B A`, up to rounding. The reverse of [`merged`](Self::merged).
    ///
    /// # Errors
    /// When the adapter is a DoRA, whose merge forgets the norms it divided by, or holds copies of
    /// modules or biases, whose originals a merge forgets; and without an adapter.
    pub fn unmerged(&self) -> Result<Self, ModelError> {
        let refuse = |reason: &str| Err(ModelError::Adapter { reason: reason.to_owned() });
        let Some(config) = self.adapter() else { return refuse("there is none to take out") };
        if config.use_dora {
            return refuse("a merged DoRA can't be taken out: the norms it divided by are lost");
        }
        if !config.modules_to_save.is_empty() || config.bias != super::Bias::None {
            return refuse("what modules_to_save or biases replaced can't be brought back");
        }
        Ok(self.fold(|weight, lora| weight - product(lora)))
    }

    /// The network with each adapted weight replaced, and no adapter.
    fn fold(&self, change: impl Fn(Tensor<2>, &Lora) -> Tensor<2>) -> Self {
        let mut decoder = self.valid();
        decoder.adapted = None;
        for named in linears(&mut decoder) {
            if let Some(lora) = named.linear.lora.take() {
                let weight = change(named.linear.weight.val(), &lora);
                named.linear.weight = weight.into();
            }
        }
        let embedding = &mut decoder.model.embed_tokens;
        if let Some(lora) = embedding.lora.take() {
            // The embedding's matrix stands the other way.
            let weight = change(embedding.weight.val().transpose(), &lora).transpose();
            embedding.weight = Param::from_tensor(weight);
        }
        crate::decoder::train_only(decoder, &|_| true)
    }
}

/// `s B A`, `[out, in]`.
fn product(lora: &Lora) -> Tensor<2> {
    lora.b.val().matmul(lora.a.val()) * lora.scale
}
