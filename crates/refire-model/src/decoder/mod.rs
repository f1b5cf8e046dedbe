//! The network.

mod build;
mod packed;
mod params;
mod pooled;
mod quantized;
mod rows;

pub(crate) use packed::{Packed, ids};
pub(crate) use params::{
    MapParam, VisitParam, map_params, train_only, visit_params, visit_trained,
};
pub use pooled::{Pooling, PoolingKind};
pub(crate) use quantized::is_packed;
pub use rows::Rows;

use crate::adapter::Adapted;
use crate::nn::{Embedding, Layer, Linear, Positions, RmsNorm, Routing, Seen};
use crate::{Copilot, ModelConfig, ModelError};
pub(crate) use build::normals;
use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use refire_objective::head::HeadLayer;
use std::sync::Arc;

/// Everything below the head.
#[derive(Module, Debug)]
pub struct Body {
    /// Token embedding.
    pub embed_tokens: Embedding,
    /// Blocks.
    pub layers: Vec<Layer>,
    /// Before the head.
    pub norm: RmsNorm,
}

/// A decoder of one of the [families](crate::Family).
///
/// Parameter paths are Hugging Face's (`model.layers.0.self_attn.q_proj.weight`), so that loading
/// and saving need no renaming.
#[derive(Module, Debug)]
pub struct Decoder {
    /// Everything below the head.
    pub model: Body,
    /// The head; absent where it shares the embedding's weight.
    pub lm_head: Option<Linear>,
    /// From hidden states to one score per token, in value and reward models.
    pub score: Option<Linear>,
    /// The shape.
    #[module(skip)]
    pub config: ModelConfig,
    /// What an adapter's layers need beside their weights.
    #[module(skip)]
    pub(crate) adapted: Option<Arc<Adapted>>,
    /// What rectifies its logits while it decodes.
    #[module(skip)]
    pub(crate) copilot: Option<Arc<Copilot>>,
}

impl Decoder {
    /// The same body with a fresh score head in the place of the language-model head: the start of
    /// a critic or a reward model. Its weights are normal with deviation `initializer_range`. An
    /// adapter comes afterwards.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let scorer = decoder.with_score_head(1);
    /// assert!(scorer.config.score_head && scorer.lm_head.is_none());
    /// ```
    pub fn with_score_head(mut self, seed: u64) -> Self {
        let (h, device) = (self.config.hidden_size, self.head_weight().inner().device());
        let values = normals(seed, "score.weight", h, self.config.initializer_range);
        let weight = Param::from_data(TensorData::new(values, [1, h]), &device).into();
        self.score = Some(Linear::new(weight, None));
        self.lm_head = None;
        self.config.make_scorer();
        self
    }

    /// The head's weight `[vocab, hidden]`.
    pub fn head_weight(&self) -> Tensor<2> {
        match &self.lm_head {
            Some(head) => head.weight.val(),
            None => self.model.embed_tokens.weight.val(),
        }
    }

    /// Path of the head's weight.
    pub(crate) fn head_path(&self) -> &'static str {
        if self.lm_head.is_some() { "lm_head.weight" } else { "model.embed_tokens.weight" }
    }

    /// The last layer: from hidden states, as [`head_input`](Self::head_input) gives them, to
    /// logits.
    pub fn head(&self) -> HeadLayer {
        let lora = self.lm_head.as_ref().and_then(|head| head.lora.as_ref());
        HeadLayer {
            softcap: self.config.final_softcap,
            thin: lora.map(|lora| lora.b.val()),
            ..HeadLayer::new(self.head_weight())
        }
    }

    /// Hidden states `[n, hidden]` as the head reads them: with an adapter on it, what the
    /// adapter's first matrix makes of them stands beside, `[n, hidden + r]`.
    pub fn head_input(&self, hidden: Tensor<2>) -> Tensor<2> {
        match self.lm_head.as_ref().and_then(|head| head.lora.as_ref()) {
            Some(lora) => Tensor::cat(vec![hidden.clone(), lora.narrowed(hidden)], 1),
            None => hidden,
        }
    }

    /// Hidden states after the last norm: `[rows * time, hidden]` for right-padded rows.
    ///
    /// # Errors
    /// For token ids beyond the embedding and rows beyond the context.
    pub fn hidden(&self, rows: &Rows) -> Result<Tensor<2>, ModelError> {
        Ok(self.hidden_and_routing(rows)?.0)
    }

    /// Hidden states as from [`hidden`](Self::hidden), and how tokens were sent to experts; `None`
    /// for a model without them.
    ///
    /// # Errors
    /// As for [`hidden`](Self::hidden).
    pub fn hidden_and_routing(
        &self,
        rows: &Rows,
    ) -> Result<(Tensor<2>, Option<Routing>), ModelError> {
        let (hidden, routing) = self.packed(&Packed::rows(rows), EmbeddingEdit::default())?;
        Ok((rows.pad(hidden), routing))
    }

    /// Hidden states of packed tokens, `[n, hidden]`, with embeddings that are edited first.
    pub(crate) fn packed(
        &self,
        packed: &Packed,
        edit: EmbeddingEdit<'_>,
    ) -> Result<(Tensor<2>, Option<Routing>), ModelError> {
        if packed.len() == 0 {
            let weight = self.model.embed_tokens.weight.val();
            let like = (&weight.device(), weight.dtype());
            return Ok((Tensor::zeros([0, self.config.hidden_size], like), None));
        }
        let x = self.embed(packed, edit)?;
        self.through(x, &self.positions(packed)?)
    }

    /// Embedded tokens `[n, hidden]` through all layers and the last norm.
    pub(crate) fn through(
        &self,
        mut x: Tensor<2>,
        positions: &Positions,
    ) -> Result<(Tensor<2>, Option<Routing>), ModelError> {
        let mut routing: Option<Routing> = None;
        for (index, layer) in self.model.layers.iter().enumerate() {
            let (y, sent) = layer.forward(x, index, positions, &self.config)?;
            x = y;
            routing = Routing::joined(routing, sent);
        }
        Ok((self.model.norm.forward(x), routing))
    }

    /// What layers need to know of packed tokens' places.
    ///
    /// # Errors
    /// For token ids beyond the embedding and rows beyond the context.
    pub(crate) fn positions(&self, packed: &Packed) -> Result<Positions, ModelError> {
        packed.check(&self.config)?;
        let weight = self.model.embed_tokens.weight.val();
        let (spans, seen) = (packed.spans(), Seen::Packed(packed.layout.clone()));
        Ok(Positions::new(&self.config, &spans, seen, &weight.device(), weight.dtype()))
    }

    /// What the first layer reads, `[n, hidden]`.
    pub(crate) fn embed(
        &self,
        packed: &Packed,
        edit: EmbeddingEdit<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        let device = self.model.embed_tokens.weight.val().device();
        let mut x = self.model.embed_tokens.forward(ids(&packed.tokens, &device));
        if let Some((other, share)) = edit.blend {
            other.check(&self.config)?;
            let other = self.model.embed_tokens.forward(ids(&other.tokens, &device));
            x = x * (1.0 - share) + other * *share;
        }
        if self.config.embedding_scale != 1.0 {
            x = x * self.config.embedding_scale;
        }
        if let Some(noise) = edit.noise {
            x = x + noise;
        }
        Ok(x)
    }

    /// All logits of one row, `[time, vocab]`: for tests and tools, not for training.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, TinyLlama};
    /// let config = TinyLlama::default().config();
    /// let decoder = Decoder::init(&config, 0, &Device::flex());
    /// assert_eq!(decoder.logits(&[1, 2, 3])?.dims(), [3, 128]);
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`hidden`](Self::hidden).
    pub fn logits(&self, tokens: &[u32]) -> Result<Tensor<2>, ModelError> {
        Ok(self.logits_of(self.hidden(&Rows::new(vec![tokens.to_vec()]))?))
    }

    /// Hidden states `[n, hidden]` to logits `[n, vocab]`, rectified if there is a copilot.
    pub(crate) fn logits_of(&self, hidden: Tensor<2>) -> Tensor<2> {
        let logits = self.head().logits(self.head_input(hidden.clone()));
        match &self.copilot {
            Some(copilot) => copilot.rectify(logits, hidden),
            None => logits,
        }
    }
}

/// Changes to the embeddings before the first layer, in this order.
#[derive(Default)]
pub(crate) struct EmbeddingEdit<'a> {
    /// Tokens of the same layout whose embeddings are mixed in, and their share.
    pub(crate) blend: Option<&'a (Packed, f64)>,
    /// Added, `[n, hidden]`.
    pub(crate) noise: Option<Tensor<2>>,
}
