//! Puts a decoder together from tensors by name.

use super::quantized::is_packed;
use super::{Body, Decoder};
use crate::nn::{Attention, Embedding, Expert, Layer, Linear, LinearWeight, Mlp, RmsNorm};
use crate::{LayerSpec, MlpSpec, ModelConfig, ModelError, Nf4, NormPlacement, QkNorm};
use burn::module::Param;
use burn::tensor::{DType, Device, Tensor, TensorData};
use refire_core::{Purpose, Stream};

impl Decoder {
    /// A fresh network: weights normal with deviation `initializer_range`, norms neutral, biases
    /// 0.
    ///
    /// Each tensor draws from its own stream, keyed by seed and path.
    pub fn init(config: &ModelConfig, seed: u64, device: &Device) -> Self {
        Self::build(config, device, &mut |path, shape| {
            let count = shape.iter().product();
            match path {
                _ if path.ends_with("norm.weight") && config.norm_offset => vec![0.0; count],
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
        Self::build_data(config, device, &mut |path, shape| {
            TensorData::new(values(path, shape), shape.to_vec())
        })
    }

    /// As [`build`](Self::build), in the number format of each tensor's data.
    pub(crate) fn build_data(
        config: &ModelConfig,
        device: &Device,
        values: &mut dyn FnMut(&str, &[usize]) -> TensorData,
    ) -> Self {
        let mut make = Maker { config, device, values, packs: false, problem: None };
        make.decoder()
    }

    /// As [`build_data`](Self::build_data), with the weights of the layers' linear maps in 4 bits:
    /// each is quantised before the next is asked for.
    pub(crate) fn build_packed(
        config: &ModelConfig,
        device: &Device,
        values: &mut dyn FnMut(&str, &[usize]) -> TensorData,
    ) -> Result<Self, ModelError> {
        let mut make = Maker { config, device, values, packs: true, problem: None };
        let decoder = make.decoder();
        make.problem.map_or(Ok(decoder), Err)
    }
}

impl Maker<'_> {
    fn decoder(&mut self) -> Decoder {
        let config = self.config;
        let make = self;
        let (h, v) = (config.hidden_size, config.vocab_size);
        Decoder {
            model: Body {
                embed_tokens: Embedding {
                    weight: make.matrix("model.embed_tokens", v, h),
                    lora: None,
                },
                layers: (0..).zip(&config.layers).map(|(i, spec)| make.layer(i, spec)).collect(),
                norm: make.norm("model.norm", h),
            },
            lm_head: (!config.tie_word_embeddings && !config.score_head)
                .then(|| make.linear("lm_head", v, h, false)),
            score: config.score_head.then(|| make.linear("score", 1, h, false)),
            config: config.clone(),
            adapted: None,
            copilot: None,
        }
    }
}

pub(crate) fn normals(seed: u64, path: &str, count: usize, deviation: f64) -> Vec<f32> {
    // The path is part of the key through a purpose of its own.
    let seed = Stream::new(seed, Purpose::INIT, 0, 0, 0).bits();
    let mut stream = Stream::new(seed, Purpose::named(path), 0, 0, 0);
    (0..count).map(|_| (stream.normal() * deviation) as f32).collect()
}

struct Maker<'a> {
    config: &'a ModelConfig,
    device: &'a Device,
    values: &'a mut dyn FnMut(&str, &[usize]) -> TensorData,
    /// Whether weights that can be are in 4 bits.
    packs: bool,
    problem: Option<ModelError>,
}

impl Maker<'_> {
    fn param<const D: usize>(&mut self, path: &str, shape: [usize; D]) -> Param<Tensor<D>> {
        let data = (self.values)(path, &shape);
        match data.dtype() {
            DType::F32 => Param::from_data(data, self.device),
            dtype => Param::from_tensor(Tensor::from_data(data, (self.device, dtype))),
        }
    }

    fn matrix(&mut self, path: &str, rows: usize, columns: usize) -> Param<Tensor<2>> {
        self.param(&format!("{path}.weight"), [rows, columns])
    }

    fn weight(&mut self, path: &str, rows: usize, columns: usize) -> LinearWeight {
        if !(self.packs && is_packed(path)) {
            return self.matrix(path, rows, columns).into();
        }
        let data = (self.values)(&format!("{path}.weight"), &[rows, columns]);
        let values: Vec<f32> = data.iter::<f32>().collect();
        match Nf4::from_values(&values, [rows, columns], self.device) {
            Ok(packed) => packed.into(),
            Err(error) => {
                self.problem.get_or_insert(error);
                Tensor::zeros([rows, columns], self.device).into()
            }
        }
    }

    fn linear(&mut self, path: &str, rows: usize, columns: usize, bias: bool) -> Linear {
        let weight = self.weight(path, rows, columns);
        Linear::new(weight, bias.then(|| self.param(&format!("{path}.bias"), [rows])))
    }

    fn norm(&mut self, path: &str, width: usize) -> RmsNorm {
        let weight = self.param(&format!("{path}.weight"), [width]);
        RmsNorm { weight, eps: self.config.rms_norm_eps, offset: self.config.norm_offset }
    }

    fn layer(&mut self, index: usize, spec: &LayerSpec) -> Layer {
        let at = format!("model.layers.{index}");
        let width = self.config.hidden_size;
        let (before, after) = match spec.norms {
            NormPlacement::Pre => (true, false),
            NormPlacement::Post => (false, true),
            NormPlacement::Sandwich => (true, true),
        };
        let self_attn = self.attention(&format!("{at}.self_attn"), spec);
        let mlp = self.mlp(&format!("{at}.mlp"), spec);
        let mut norm = |name: &str| self.norm(&format!("{at}.{name}"), width);
        Layer {
            self_attn,
            mlp,
            input_layernorm: before.then(|| norm("input_layernorm")),
            post_attention_layernorm: norm("post_attention_layernorm"),
            pre_feedforward_layernorm: (before && after).then(|| norm("pre_feedforward_layernorm")),
            post_feedforward_layernorm: after.then(|| norm("post_feedforward_layernorm")),
        }
    }

    fn attention(&mut self, at: &str, spec: &LayerSpec) -> Attention {
        let c = self.config;
        let (h, [q, kv]) = (c.hidden_size, c.projection_widths());
        let (fused, bias) = (c.attention.fused, c.attention.qkv_bias);
        let mut map = |present: bool, name: &str, rows| {
            present.then(|| self.linear(&format!("{at}.{name}"), rows, h, bias))
        };
        let q_proj = map(!fused, "q_proj", q);
        let k_proj = map(!fused, "k_proj", kv);
        let v_proj = map(!fused, "v_proj", kv);
        let qkv_proj = map(fused, "qkv_proj", q + 2 * kv);
        let widths = match spec.qk_norm {
            None => None,
            Some(QkNorm::Head) => Some([c.head_dim, c.head_dim]),
            Some(QkNorm::Projection) => Some([q, kv]),
        };
        Attention {
            q_proj,
            k_proj,
            v_proj,
            qkv_proj,
            o_proj: self.linear(&format!("{at}.o_proj"), h, q, c.attention.o_bias),
            q_norm: widths.map(|[q, _]| self.norm(&format!("{at}.q_norm"), q)),
            k_norm: widths.map(|[_, k]| self.norm(&format!("{at}.k_norm"), k)),
        }
    }

    fn mlp(&mut self, at: &str, spec: &LayerSpec) -> Mlp {
        let (h, i, bias) =
            (self.config.hidden_size, self.config.intermediate_size, self.config.mlp_bias);
        let empty = Mlp {
            gate_proj: None,
            up_proj: None,
            gate_up_proj: None,
            down_proj: None,
            gate: None,
            experts: Vec::new(),
        };
        let mut map =
            |name: &str, rows, columns| self.linear(&format!("{at}.{name}"), rows, columns, bias);
        match spec.mlp {
            MlpSpec::Dense { fused: false } => Mlp {
                gate_proj: Some(map("gate_proj", i, h)),
                up_proj: Some(map("up_proj", i, h)),
                down_proj: Some(map("down_proj", h, i)),
                ..empty
            },
            MlpSpec::Dense { fused: true } => Mlp {
                gate_up_proj: Some(map("gate_up_proj", 2 * i, h)),
                down_proj: Some(map("down_proj", h, i)),
                ..empty
            },
            MlpSpec::Experts(moe) => {
                let mut expert = |index: usize| {
                    let mut map = |name: &str, rows, columns| {
                        let path = format!("{at}.experts.{index}.{name}");
                        self.linear(&path, rows, columns, false)
                    };
                    Expert {
                        gate_proj: map("gate_proj", moe.width, h),
                        up_proj: map("up_proj", moe.width, h),
                        down_proj: map("down_proj", h, moe.width),
                    }
                };
                let experts = (0..moe.experts).map(&mut expert).collect();
                let gate = self.linear(&format!("{at}.gate"), moe.experts, h, false);
                Mlp { gate: Some(gate), experts, ..empty }
            }
        }
    }
}
