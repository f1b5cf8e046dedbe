use crate::{ModelConfig, Rope};
use burn::tensor::{DType, Device, Tensor};
use refire_kernels::{AttentionOptions, KernelError, Layout, Turns, attention, rope};
use std::fmt::Debug;
use std::sync::Arc;

/// Neighbouring tokens of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Position of the first.
    pub(crate) first: usize,
    pub(crate) len: usize,
    /// Length of the whole row.
    pub(crate) length: usize,
}

/// What tokens attend to.
#[derive(Debug)]
pub(crate) enum Seen {
    /// One another.
    Packed(Arc<Layout>),
    /// Themselves, and what came before.
    Remembered(Arc<dyn Memory>),
}

/// Keys and values of earlier tokens, of every layer.
pub(crate) trait Memory: Debug + Send + Sync {
    /// Remembers keys and values of new tokens `[n, kv_heads, d]`, and lets their queries
    /// `[n, heads, d]` attend to all.
    fn attend(
        &self,
        layer: usize,
        qkv: [Tensor<3>; 3],
        options: &AttentionOptions,
    ) -> Result<Tensor<3>, KernelError>;
}

/// What the positions of tokens look like to each layer.
#[derive(Debug)]
pub(crate) struct Positions {
    seen: Seen,
    /// Of each rope.
    turns: Vec<Turns>,
    /// Rope of each layer.
    layers: Vec<Option<usize>>,
}

/// The positions as one layer sees them.
pub(super) struct Sight<'a> {
    layer: usize,
    seen: &'a Seen,
    turns: Option<&'a Turns>,
}

impl Positions {
    pub(crate) fn new(
        config: &ModelConfig,
        spans: &[Span],
        seen: Seen,
        device: &Device,
        dtype: DType,
    ) -> Self {
        let (ropes, layers) = config.ropes();
        let turns = ropes.iter().map(|rope| {
            let (cos, sin) = tables(rope, config.head_dim, spans);
            let tokens: usize = spans.iter().map(|span| span.len).sum();
            let pairs = cos.len() / tokens.max(1);
            Turns::new(cos, sin, pairs, device, dtype)
        });
        Self { turns: turns.collect(), layers, seen }
    }

    pub(super) fn layer(&self, index: usize) -> Sight<'_> {
        let turns = self.layers[index].map(|rope| &self.turns[rope]);
        Sight { layer: index, seen: &self.seen, turns }
    }
}

/// Cosines and sines of every token. Rows beyond a rope's border have frequencies of their own;
/// the others share a table.
fn tables(rope: &Rope, head_dim: usize, spans: &[Span]) -> (Vec<f32>, Vec<f32>) {
    let beyond = |length: usize| rope.border().is_some_and(|border| length > border);
    let shared = spans.iter().map(|span| span.length).filter(|length| !beyond(*length)).max();
    // A few tokens of long rows, as in decoding, are not worth a table of all positions.
    let tokens: usize = spans.iter().map(|span| span.len).sum();
    let shared = shared.filter(|length| *length <= tokens);
    let shared = shared.map(|length| (length, rope.tables(head_dim, length, 0..length)));
    let (mut cos, mut sin) = (Vec::new(), Vec::new());
    for Span { first, len, length } in spans {
        let places = *first..first + len;
        match &shared {
            Some((longest, (all_cos, all_sin))) if !beyond(*length) => {
                let pairs = all_cos.len() / (*longest).max(1);
                let numbers = places.start * pairs..places.end * pairs;
                cos.extend_from_slice(&all_cos[numbers.clone()]);
                sin.extend_from_slice(&all_sin[numbers]);
            }
            _ => {
                let (own_cos, own_sin) = rope.tables(head_dim, *length, places);
                cos.extend(own_cos);
                sin.extend(own_sin);
            }
        }
    }
    (cos, sin)
}

impl Sight<'_> {
    /// `q` `[n, heads, d]`, `k` and `v` `[n, kv_heads, d]` to `[n, heads, d]`.
    pub(super) fn attend(
        &self,
        [q, k, v]: [Tensor<3>; 3],
        options: &AttentionOptions,
    ) -> Result<Tensor<3>, KernelError> {
        match self.seen {
            Seen::Packed(layout) => attention(q, k, v, layout, options),
            Seen::Remembered(memory) => memory.attend(self.layer, [q, k, v], options),
        }
    }

    /// `[n, heads, d]`, rotated where the layer has rotary positions.
    pub(super) fn rotate(&self, x: Tensor<3>) -> Tensor<3> {
        match self.turns {
            Some(turns) => rope(x, turns),
            None => x,
        }
    }
}
