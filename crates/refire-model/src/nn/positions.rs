use crate::{ModelConfig, Rows};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// What a padded batch's positions look like to each layer.
#[derive(Debug)]
pub(crate) struct Positions {
    /// Of each rope: cosines and sines, `[1 or rows, time, 1, pairs]`.
    turns: Vec<[Tensor<4>; 2]>,
    /// Of each window, `[1, 1, groups * time, time]`: 0 where a query sees a key, very low
    /// elsewhere.
    masks: Vec<Tensor<4>>,
    /// Rope and mask of each layer.
    layers: Vec<(Option<usize>, usize)>,
    /// Of every place of the batch: whether a token is there, or padding.
    pub(crate) real: Vec<bool>,
}

/// The positions as one layer sees them.
pub(super) struct Sight<'a> {
    turn: Option<&'a [Tensor<4>; 2]>,
    pub(super) mask: &'a Tensor<4>,
    pub(super) real: &'a [bool],
}

impl Positions {
    /// Rows that start at position 0.
    ///
    /// A row is padded on the right only, so causality alone keeps real tokens from seeing pads.
    pub(crate) fn new(config: &ModelConfig, rows: &Rows, device: &Device, dtype: DType) -> Self {
        let (ropes, rope_of) = config.ropes();
        let windows: Vec<Option<usize>> = config.layers.iter().map(|layer| layer.window).collect();
        let mut different = windows.clone();
        different.sort_unstable();
        different.dedup();
        let mask_of = windows.iter().map(|window| different.partition_point(|w| w < window));
        let groups = config.num_attention_heads / config.num_key_value_heads;
        let place = |(values, shape): (Vec<f32>, [usize; 4])| {
            Tensor::from_data(TensorData::new(values, shape), (device, dtype))
        };
        let time = rows.width();
        let turns = ropes.iter().map(|rope| {
            // Rows on different sides of the border have frequencies of their own.
            let lengths = rows.as_slice().iter().map(Vec::len);
            let beyond = |length: &usize| rope.border().is_some_and(|border| *length > border);
            let several = lengths.clone().any(|length| beyond(&length));
            let lengths: Vec<usize> = if several { lengths.collect() } else { vec![time.min(1)] };
            let tables = lengths.iter().map(|n| rope.tables(config.head_dim, *n, 0..time));
            let (cos, sin): (Vec<_>, Vec<_>) = tables.unzip();
            let pairs = cos[0].len() / time;
            [cos, sin].map(|table| place((table.concat(), [lengths.len(), time, 1, pairs])))
        });
        let real = rows.as_slice().iter();
        Self {
            turns: turns.collect(),
            masks: different.iter().map(|window| place(mask(time, groups, *window))).collect(),
            layers: rope_of.into_iter().zip(mask_of).collect(),
            real: real.flat_map(|row| (0..time).map(|place| place < row.len())).collect(),
        }
    }

    pub(super) fn layer(&self, index: usize) -> Sight<'_> {
        let (rope, mask) = self.layers[index];
        Sight {
            turn: rope.map(|rope| &self.turns[rope]),
            mask: &self.masks[mask],
            real: &self.real,
        }
    }
}

fn mask(time: usize, groups: usize, window: Option<usize>) -> (Vec<f32>, [usize; 4]) {
    let window = window.unwrap_or(usize::MAX);
    let visible = |query: usize, key: usize| {
        if key <= query && query - key < window { 0.0 } else { -1e30 }
    };
    let rows =
        (0..groups * time).flat_map(|row| (0..time).map(move |key| visible(row % time, key)));
    (rows.collect(), [1, 1, groups * time, time])
}

impl Sight<'_> {
    /// Rotates the pairs `(i, i + n / 2)` of `[rows, time, heads, d]` within the first `n`
    /// dimensions.
    pub(super) fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let Some([cos, sin]) = self.turn else { return x };
        let (half, d) = (cos.dims()[3], x.dims()[3]);
        let low = x.clone().narrow(3, 0, half);
        let high = x.clone().narrow(3, half, half);
        let turned_low = low.clone() * cos.clone() - high.clone() * sin.clone();
        let turned_high = high * cos.clone() + low * sin.clone();
        let mut parts = vec![turned_low, turned_high];
        if 2 * half < d {
            parts.push(x.narrow(3, 2 * half, d - 2 * half));
        }
        Tensor::cat(parts, 3)
    }
}
