use super::host::HostWork;
use crate::{ModelConfig, Rope};

/// The frequencies of a model's ropes.
pub(super) struct Turns {
    ropes: Vec<Frequencies>,
}

struct Frequencies {
    /// Of rows within the border.
    within: Vec<f64>,
    border: Option<usize>,
    /// Of longer rows.
    beyond: Vec<f64>,
    /// Factor of cosines and sines.
    factor: f64,
}

/// Cosines and sines of one rope, `[rows, pairs]`.
pub(super) struct Table {
    cos: Vec<f32>,
    sin: Vec<f32>,
    pairs: usize,
}

impl Turns {
    pub(super) fn new(ropes: &[Rope], config: &ModelConfig) -> Self {
        let longest = config.max_position_embeddings;
        let ropes = ropes.iter().map(|rope| {
            // A border that no row can cross is none.
            let border = rope.border().filter(|border| *border < longest);
            let of = |length| rope.frequencies(config.head_dim, length);
            let factor = rope.attention_factor();
            Frequencies {
                within: of(1),
                border,
                beyond: border.map_or(Vec::new(), |b| of(b + 1)),
                factor,
            }
        });
        Self { ropes: ropes.collect() }
    }

    /// Whether frequencies depend on the length of a row.
    pub(super) fn has_border(&self) -> bool {
        self.ropes.iter().any(|rope| rope.border.is_some())
    }

    /// Whether a row that grows like this has other frequencies from its first token on.
    pub(super) fn crosses(&self, before: usize, after: usize) -> bool {
        let borders = self.ropes.iter().filter_map(|rope| rope.border);
        borders.into_iter().any(|border| (1..=border).contains(&before) && after > border)
    }

    /// The tables of all tokens of a call.
    pub(super) fn tables(&self, work: &[HostWork<'_>]) -> Vec<Table> {
        let table = |rope: &Frequencies| {
            let pairs = rope.within.len();
            let count: usize = work.iter().map(|item| item.tokens.len()).sum();
            let mut cos = Vec::with_capacity(count * pairs);
            let mut sin = Vec::with_capacity(count * pairs);
            for item in work {
                let (start, end) = (item.cache.len(), item.cache.len() + item.tokens.len());
                let beyond = rope.border.is_some_and(|border| end > border);
                let frequencies = if beyond { &rope.beyond } else { &rope.within };
                for angle in
                    (start..end).flat_map(|p| frequencies.iter().map(move |f| f * p as f64))
                {
                    let (s, c) = angle.sin_cos();
                    cos.push((c * rope.factor) as f32);
                    sin.push((s * rope.factor) as f32);
                }
            }
            Table { cos, sin, pairs }
        };
        self.ropes.iter().map(table).collect()
    }
}

impl Table {
    /// Rotates the pairs of all heads of one row.
    pub(super) fn rotate(&self, heads: &mut [f32], head_dim: usize, row: usize) {
        let pairs = self.pairs;
        let cos = &self.cos[row * pairs..][..pairs];
        let sin = &self.sin[row * pairs..][..pairs];
        for head in heads.chunks_exact_mut(head_dim) {
            let (low, high) = head.split_at_mut(pairs);
            for i in 0..pairs {
                let (a, b) = (low[i], high[i]);
                low[i] = a * cos[i] - b * sin[i];
                high[i] = b * cos[i] + a * sin[i];
            }
        }
    }
}
