//! The network.

mod params;
mod rows;

pub(crate) use params::{MapParam, VisitParam, map_params, visit_params};
pub use rows::Rows;

use crate::nn::Positions;
use crate::{Attention, Embedding, Layer, Linear, Mlp, ModelConfig, ModelError, RmsNorm};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use refire_core::{Purpose, Stream};

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

/// A decoder of the Llama family.
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
}

impl Decoder {
    /// A fresh network: weights normal with deviation `initializer_range`, norms 1, biases 0.
    ///
    /// Each tensor draws from its own stream, keyed by seed and path.
    pub fn init(config: &ModelConfig, seed: u64, device: &Device) -> Self {
        Self::build(config, device, &mut |path, shape| {
            let count = shape.iter().product();
            match path {
                _ if path.ends_with("norm.weight") => vec![1.0; count],
                _ if path.ends_with(".bias") => vec![0.0; count],
                _ => normals(seed, path, count, config.initializer_range),
            }
        })
    }

    /// Builds the network from a function that gives each tensor's values by path and shape.
    pub(crate) fn build(
        config: &ModelConfig,
        device: &Device,
        values: &mut dyn FnMut(&str, &[usize]) -> Vec<f32>,
    ) -> Self {
        let mut make = Maker { config, device, values };
        let layers = (0..config.num_hidden_layers).map(|i| make.layer(i)).collect();
        let (h, v) = (config.hidden_size, config.vocab_size);
        Self {
            model: Body {
                embed_tokens: Embedding { weight: make.matrix("model.embed_tokens", v, h) },
                layers,
                norm: make.norm("model.norm"),
            },
            lm_head: (!config.tie_word_embeddings && !config.score_head)
                .then(|| make.linear("lm_head", v, h, false)),
            score: config.score_head.then(|| make.linear("score", 1, h, false)),
            config: config.clone(),
        }
    }

    /// The same body with a fresh score head in the place of the language-model head: the start of
    /// a critic or a reward model. Its weights are normal with deviation `initializer_range`.
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
        let weight = Param::from_data(TensorData::new(values, [1, h]), &device);
        self.score = Some(Linear { weight, bias: None });
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

    /// Hidden states after the last norm: `[rows * time, hidden]` for right-padded rows.
    ///
    /// # Errors
    /// For token ids beyond the embedding and rows beyond the context.
    pub fn hidden(&self, rows: &Rows) -> Result<Tensor<2>, ModelError> {
        self.hidden_with(rows, EmbeddingEdit::default())
    }

    /// As [`hidden`](Self::hidden), with embeddings that are edited first.
    pub(crate) fn hidden_with(
        &self,
        rows: &Rows,
        edit: EmbeddingEdit<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        rows.check(&self.config)?;
        let weight = self.model.embed_tokens.weight.val();
        let (device, dtype) = (weight.device(), weight.dtype());
        let positions = Positions::new(&self.config, rows.width(), &device, dtype);
        let mut x = self.model.embed_tokens.forward(rows.ids(&device));
        if let Some((other, share)) = edit.blend {
            other.check(&self.config)?;
            x = x * (1.0 - share) + self.model.embed_tokens.forward(other.ids(&device)) * *share;
        }
        if let Some(noise) = edit.noise {
            x = x + noise;
        }
        for layer in &self.model.layers {
            x = layer.forward(x, rows.len(), &positions, &self.config);
        }
        Ok(self.model.norm.forward(x))
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
        let hidden = self.hidden(&Rows::new(vec![tokens.to_vec()]))?;
        Ok(hidden.matmul(self.head_weight().transpose()))
    }
}

/// Changes to the embeddings before the first layer, in this order.
#[derive(Default)]
pub(crate) struct EmbeddingEdit<'a> {
    /// Rows of the same lengths whose embeddings are mixed in, and their share.
    pub(crate) blend: Option<&'a (Rows, f64)>,
    /// Added, `[rows * time, hidden]`.
    pub(crate) noise: Option<Tensor<2>>,
}

fn normals(seed: u64, path: &str, count: usize, deviation: f64) -> Vec<f32> {
    // The path is part of the key through a purpose of its own.
    let seed = Stream::new(seed, Purpose::INIT, 0, 0, 0).bits();
    let mut stream = Stream::new(seed, Purpose::named(path), 0, 0, 0);
    (0..count).map(|_| (stream.normal() * deviation) as f32).collect()
}

struct Maker<'a> {
    config: &'a ModelConfig,
    device: &'a Device,
    values: &'a mut dyn FnMut(&str, &[usize]) -> Vec<f32>,
}

impl Maker<'_> {
    fn matrix(&mut self, path: &str, rows: usize, columns: usize) -> Param<Tensor<2>> {
        let values = (self.values)(&format!("{path}.weight"), &[rows, columns]);
        Param::from_data(TensorData::new(values, [rows, columns]), self.device)
    }

    fn vector(&mut self, path: &str, length: usize) -> Param<Tensor<1>> {
        let values = (self.values)(path, &[length]);
        Param::from_data(TensorData::new(values, [length]), self.device)
    }

    fn linear(&mut self, path: &str, rows: usize, columns: usize, bias: bool) -> Linear {
        Linear {
            weight: self.matrix(path, rows, columns),
            bias: bias.then(|| self.vector(&format!("{path}.bias"), rows)),
        }
    }

    fn norm(&mut self, path: &str) -> RmsNorm {
        let weight = self.vector(&format!("{path}.weight"), self.config.hidden_size);
        RmsNorm { weight, eps: self.config.rms_norm_eps }
    }

    fn layer(&mut self, index: usize) -> Layer {
        let c = self.config;
        let at = |name: &str| format!("model.layers.{index}.{name}");
        let (h, i) = (c.hidden_size, c.intermediate_size);
        let (q, kv) = (c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim);
        Layer {
            self_attn: Attention {
                q_proj: self.linear(&at("self_attn.q_proj"), q, h, c.attention_bias),
                k_proj: self.linear(&at("self_attn.k_proj"), kv, h, c.attention_bias),
                v_proj: self.linear(&at("self_attn.v_proj"), kv, h, c.attention_bias),
                o_proj: self.linear(&at("self_attn.o_proj"), h, q, c.attention_bias),
            },
            mlp: Mlp {
                gate_proj: self.linear(&at("mlp.gate_proj"), i, h, c.mlp_bias),
                up_proj: self.linear(&at("mlp.up_proj"), i, h, c.mlp_bias),
                down_proj: self.linear(&at("mlp.down_proj"), h, i, c.mlp_bias),
            },
            input_layernorm: self.norm(&at("input_layernorm")),
            post_attention_layernorm: self.norm(&at("post_attention_layernorm")),
        }
    }
}
