use crate::decoder::Packed;
use crate::{ModelConfig, Rope};
use burn::tensor::{DType, Device, Tensor};
use refire_kernels::{Layout, Turns, rope};
use std::sync::Arc;

/// What the positions of packed tokens look like to each layer.
#[derive(Debug)]
pub(crate) struct Positions {
    layout: Arc<Layout>,
    /// Of each rope.
    turns: Vec<Turns>,
    /// Rope of each layer.
    layers: Vec<Option<usize>>,
}

/// The positions as one layer sees them.
pub(super) struct Sight<'a> {
    pub(super) layout: &'a Arc<Layout>,
    turns: Option<&'a Turns>,
}

impl Positions {
    pub(crate) fn new(
        config: &ModelConfig,
        packed: &Packed,
        device: &Device,
        dtype: DType,
    ) -> Self {
        let (ropes, layers) = config.ropes();
        let turns = ropes.iter().map(|rope| {
            let (cos, sin) = tables(rope, config.head_dim, packed);
            let pairs = cos.len() / packed.len().max(1);
            Turns::new(cos, sin, pairs, device, dtype)
        });
        Self { turns: turns.collect(), layers, layout: packed.layout.clone() }
    }

    pub(super) fn layer(&self, index: usize) -> Sight<'_> {
        let turns = self.layers[index].map(|rope| &self.turns[rope]);
        Sight { layout: &self.layout, turns }
    }
}

/// Cosines and sines of every token. Rows beyond a rope's border have frequencies of their own;
/// the others share a table.
fn tables(rope: &Rope, head_dim: usize, packed: &Packed) -> (Vec<f32>, Vec<f32>) {
    let beyond = |length: usize| rope.border().is_some_and(|border| length > border);
    let shared = packed.lengths.iter().copied().filter(|length| !beyond(*length)).max();
    let shared = shared.map(|length| (length, rope.tables(head_dim, length, 0..length)));
    let (mut cos, mut sin) = (Vec::new(), Vec::new());
    for (run, length) in packed.lengths.iter().enumerate() {
        let first = packed.layout.position(run);
        let places = first..first + packed.layout.runs()[run].len;
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
    /// `[n, heads, d]`, rotated where the layer has rotary positions.
    pub(super) fn rotate(&self, x: Tensor<3>) -> Tensor<3> {
        match self.turns {
            Some(turns) => rope(x, turns),
            None => x,
        }
    }
}
