//! A decoder's weights as the CPU reads them.

use super::product::{Map, Values};
use super::slice::{Matrix, Weight};
use crate::nn::{MlpParts, Projections};
use crate::{Layer, LayerSpec, Linear, Lora, ModelConfig, ModelError, MoeSpec, RmsNorm};
use refire_objective::Dtype;
use std::sync::Arc;

/// Some rows of a matrix `[rows, columns]`, with their biases.
pub(super) struct HostLinear {
    weight: Arc<Matrix>,
    bias: Option<Arc<Weight>>,
    lora: Option<Arc<HostLora>>,
    first: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// An adapter, as two thin products.
struct HostLora {
    a: Weight,
    b: Weight,
    rank: usize,
    scale: f32,
    /// DoRA's factors of the rows.
    factors: Option<Weight>,
}

/// The part of an adapter that belongs to some rows.
pub(super) struct LoraRows<'a> {
    /// `[rank, columns]`.
    pub(super) a: &'a [f32],
    /// `[rows, rank]`.
    pub(super) b: &'a [f32],
    pub(super) rank: usize,
    pub(super) scale: f32,
    /// `[rows]`.
    pub(super) factors: Option<&'a [f32]>,
}

impl HostLinear {
    pub(super) fn weight(&self) -> Values<'_> {
        self.weight.get().part(self.first * self.columns, self.rows * self.columns)
    }

    pub(super) fn bias(&self) -> Option<&[f32]> {
        self.bias.as_ref().map(|bias| &bias.get()[self.first..][..self.rows])
    }

    /// Without its adapter.
    pub(super) fn map(&self) -> Map<'_> {
        Map { weight: self.weight(), bias: self.bias() }
    }

    pub(super) fn lora(&self) -> Option<LoraRows<'_>> {
        self.lora.as_ref().map(|lora| LoraRows {
            a: lora.a.get(),
            b: &lora.b.get()[self.first * lora.rank..][..self.rows * lora.rank],
            rank: lora.rank,
            scale: lora.scale,
            factors: lora.factors.as_ref().map(|f| &f.get()[self.first..][..self.rows]),
        })
    }

    fn new(what: &str, linear: &Linear, dtype: Dtype) -> Result<Self, ModelError> {
        let [rows, columns] = linear.weight.val().dims();
        let bias = match &linear.bias {
            Some(bias) => Some(Arc::new(Weight::new(what, bias.val())?)),
            None => None,
        };
        let weight = Arc::new(Matrix::new(what, linear.weight.val(), dtype)?);
        let lora = linear.lora.as_ref().map(|lora| HostLora::new(what, lora, linear));
        let lora = lora.transpose()?.map(Arc::new);
        Ok(Self { weight, bias, lora, first: 0, rows, columns })
    }

    /// Its rows as several maps, which must be as many together.
    fn split<const N: usize>(self, rows: [usize; N]) -> [Self; N] {
        let mut first = 0;
        rows.map(|rows| {
            let (weight, bias) = (self.weight.clone(), self.bias.clone());
            let (lora, columns) = (self.lora.clone(), self.columns);
            let part = Self { weight, bias, lora, first, rows, columns };
            first += rows;
            part
        })
    }
}

impl HostLora {
    fn new(what: &str, lora: &Lora, linear: &Linear) -> Result<Self, ModelError> {
        let (a, b) = (lora.a.val(), lora.b.val());
        let factors = lora.factors(&linear.weight.val());
        Ok(Self {
            rank: a.dims()[0],
            a: Weight::new(what, a)?,
            b: Weight::new(what, b)?,
            scale: lora.scale as f32,
            factors: factors.map(|factors| Weight::new(what, factors)).transpose()?,
        })
    }
}

/// A feed-forward layer.
pub(super) enum HostMlp {
    Dense(HostGated),
    Experts { router: HostLinear, experts: Vec<HostGated>, spec: MoeSpec },
}

/// `down(act(gate(x)) * up(x))`.
pub(super) struct HostGated {
    pub(super) gate: HostLinear,
    pub(super) up: HostLinear,
    pub(super) down: HostLinear,
}

impl HostGated {
    fn new(maps: [(&str, &Linear); 3], dtype: Dtype) -> Result<Self, ModelError> {
        let [gate, up, down] = maps.map(|(what, linear)| HostLinear::new(what, linear, dtype));
        Ok(Self { gate: gate?, up: up?, down: down? })
    }
}

pub(super) struct HostLayer {
    pub(super) before_attention: Option<Weight>,
    pub(super) after_attention: Option<Weight>,
    pub(super) before_mlp: Option<Weight>,
    pub(super) after_mlp: Option<Weight>,
    /// Queries, keys and values.
    pub(super) qkv: [HostLinear; 3],
    pub(super) q_norm: Option<Weight>,
    pub(super) k_norm: Option<Weight>,
    pub(super) o: HostLinear,
    pub(super) mlp: HostMlp,
    /// Which of the model's ropes turns queries and keys.
    pub(super) rope: Option<usize>,
    pub(super) window: Option<usize>,
}

impl HostLayer {
    pub(super) fn new(
        layer: &Layer,
        spec: &LayerSpec,
        rope: Option<usize>,
        config: &ModelConfig,
        dtype: Dtype,
    ) -> Result<Self, ModelError> {
        let (attention, norms) = (&layer.self_attn, layer.norms(spec.norms));
        let optional = |found: Option<&RmsNorm>| found.map(norm).transpose();
        Ok(Self {
            before_attention: optional(norms.before_attention)?,
            after_attention: optional(norms.after_attention)?,
            before_mlp: optional(norms.before_mlp)?,
            after_mlp: optional(norms.after_mlp)?,
            qkv: match attention.projections()? {
                Projections::Separate([q, k, v]) => [
                    HostLinear::new("q_proj", q, dtype)?,
                    HostLinear::new("k_proj", k, dtype)?,
                    HostLinear::new("v_proj", v, dtype)?,
                ],
                Projections::Fused(fused) => {
                    let [q, kv] = config.projection_widths();
                    HostLinear::new("qkv_proj", fused, dtype)?.split([q, kv, kv])
                }
            },
            q_norm: optional(attention.q_norm.as_ref())?,
            k_norm: optional(attention.k_norm.as_ref())?,
            o: HostLinear::new("o_proj", &attention.o_proj, dtype)?,
            mlp: mlp(layer, spec, dtype)?,
            rope,
            window: spec.window,
        })
    }
}

fn mlp(layer: &Layer, spec: &LayerSpec, dtype: Dtype) -> Result<HostMlp, ModelError> {
    let named = ["gate_proj", "up_proj", "down_proj"];
    let gated = |maps: [&Linear; 3]| {
        let [gate, up, down] = maps;
        HostGated::new([(named[0], gate), (named[1], up), (named[2], down)], dtype)
    };
    match (layer.mlp.parts()?, spec.mlp) {
        (MlpParts::Separate { gate, up, down }, _) => gated([gate, up, down]).map(HostMlp::Dense),
        (MlpParts::Fused { gate_up, down }, _) => {
            let both = HostLinear::new("gate_up_proj", gate_up, dtype)?;
            let width = both.rows / 2;
            let [gate, up] = both.split([width, width]);
            let down = HostLinear::new(named[2], down, dtype)?;
            Ok(HostMlp::Dense(HostGated { gate, up, down }))
        }
        (MlpParts::Experts { router, experts }, crate::MlpSpec::Experts(spec)) => {
            let maps = experts.iter().map(|e| gated([&e.gate_proj, &e.up_proj, &e.down_proj]));
            let experts = maps.collect::<Result<_, _>>()?;
            Ok(HostMlp::Experts {
                router: HostLinear::new("gate", router, Dtype::F32)?,
                experts,
                spec,
            })
        }
        (MlpParts::Experts { .. }, crate::MlpSpec::Dense { .. }) => {
            Err(ModelError::Weights { reason: "experts in a layer that has none" })
        }
    }
}

/// A norm's factors.
pub(super) fn norm(norm: &RmsNorm) -> Result<Weight, ModelError> {
    let weight = norm.weight.val();
    Weight::new("a norm", if norm.offset { weight.inner() + 1.0 } else { weight })
}
