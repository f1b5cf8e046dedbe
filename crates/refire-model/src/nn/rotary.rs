use crate::ModelConfig;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Cosines and sines of a padded batch's positions, `[rows, time, 1, head_dim / 2]`, and its mask.
#[derive(Debug, Clone)]
pub(crate) struct Positions {
    cos: Tensor<4>,
    sin: Tensor<4>,
    /// `[1, 1, groups * time, time]`: 0 where a query sees a key, very low elsewhere.
    pub(crate) mask: Tensor<4>,
}

impl Positions {
    /// Rows of `time` tokens, each starting at position 0.
    ///
    /// A row is padded on the right only, so causality alone keeps real tokens from seeing pads.
    pub(crate) fn new(config: &ModelConfig, time: usize, device: &Device, dtype: DType) -> Self {
        let half = config.head_dim / 2;
        let positions: Vec<usize> = (0..time).collect();
        let (cos, sin) = config.rope.tables(config.head_dim, &positions);
        let options = || (device, dtype);
        let table =
            |values| Tensor::from_data(TensorData::new(values, [1, time, 1, half]), options());
        let groups = config.num_attention_heads / config.num_key_value_heads;
        let visible = |query: usize, key: usize| if key <= query { 0.0_f32 } else { -1e30 };
        let mask: Vec<f32> = (0..groups * time)
            .flat_map(|row| (0..time).map(move |key| visible(row % time, key)))
            .collect();
        let mask = TensorData::new(mask, [1, 1, groups * time, time]);
        Self { cos: table(cos), sin: table(sin), mask: Tensor::from_data(mask, options()) }
    }

    /// Rotates the pairs `(i, i + d / 2)` of `[rows, time, heads, d]`.
    pub(crate) fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let mut halves = x.chunk(2, 3).into_iter();
        let (Some(low), Some(high)) = (halves.next(), halves.next()) else {
            unreachable!("an even head dimension has two halves")
        };
        let turned_low = low.clone() * self.cos.clone() - high.clone() * self.sin.clone();
        let turned_high = high * self.cos.clone() + low * self.sin.clone();
        Tensor::cat(vec![turned_low, turned_high], 3)
    }
}
