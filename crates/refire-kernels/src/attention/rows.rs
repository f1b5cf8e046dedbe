//! Packed tokens as padded rows.

use super::{AttentionOptions, Layout};
use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation::softmax};

/// New tokens of one row, and all that they see.
pub(super) struct Row {
    /// Where the first of them lies among the queries.
    pub(super) first: usize,
    pub(super) len: usize,
    /// Where the keys lie, in the order of positions; the last `len` are those of the tokens.
    pub(super) keys: Vec<usize>,
}

/// Every row of queries padded to the longest, and so the keys that it sees.
pub(super) struct Rows {
    /// Of each row: its length, and where its queries begin among its keys.
    spans: Vec<(usize, usize)>,
    /// `[rows, time]`: which token each query is.
    queries: Vec<usize>,
    /// `[rows, width]`: which token each key is.
    keys: Vec<usize>,
    /// Where each token lies among `rows * time`.
    places: Vec<usize>,
}

impl Rows {
    /// Rows that have tokens; keys are padded to a multiple of `step`.
    pub(super) fn new(rows: Vec<Row>, step: usize) -> Self {
        let time = rows.iter().map(|row| row.len).max().unwrap_or(0);
        let width = rows.iter().map(|row| row.keys.len()).max().unwrap_or(0);
        let width = width.next_multiple_of(step.max(1));
        let (mut spans, mut places) = (Vec::with_capacity(rows.len()), Vec::new());
        let (mut queries, mut keys) = (Vec::new(), Vec::new());
        for (index, row) in rows.into_iter().enumerate() {
            spans.push((row.len, row.keys.len() - row.len));
            places.extend((0..row.len).map(|i| index * time + i));
            queries.extend(row.first..row.first + row.len);
            queries.resize((index + 1) * time, 0);
            keys.extend(row.keys);
            keys.resize((index + 1) * width, 0);
        }
        Self { spans, queries, keys, places }
    }

    pub(super) fn of(layout: &Layout) -> Self {
        let full = (0..layout.runs().len()).filter(|run| layout.runs()[*run].len > 0);
        let rows = full.map(|run| {
            let keys = layout.chain(run).into_iter().flat_map(|run| layout.places(run)).collect();
            Row { first: layout.places(run).start, len: layout.runs()[run].len, keys }
        });
        Self::new(rows.collect(), 1)
    }

    /// Number of tokens.
    pub(super) fn tokens(&self) -> usize {
        self.places.len()
    }

    /// Rows, queries of each, keys of each.
    fn dims(&self) -> [usize; 3] {
        let count = self.spans.len();
        [count, self.queries.len() / count.max(1), self.keys.len() / count.max(1)]
    }

    /// 0 where a query sees a key, very low elsewhere.
    fn mask(&self, reach: usize) -> Vec<f32> {
        let [_, time, keys] = self.dims();
        let mut mask = Vec::with_capacity(self.spans.len() * time * keys);
        for (_, before) in &self.spans {
            for query in *before..before + time {
                let sees = |key: usize| key <= query && query - key < reach;
                mask.extend((0..keys).map(|key| if sees(key) { 0.0 } else { -1e30 }));
            }
        }
        mask
    }

    pub(super) fn put(&self, device: &Device) -> PlacedRows {
        // Where nothing is padded, queries are in their places already.
        let padded = self.queries.len() > self.places.len();
        PlacedRows {
            dims: self.dims(),
            queries: padded.then(|| indices(&self.queries, device)),
            places: padded.then(|| indices(&self.places, device)),
            keys: indices(&self.keys, device),
        }
    }

    pub(super) fn put_mask(&self, reach: usize, device: &Device, dtype: DType) -> Tensor<5> {
        let [count, time, keys] = self.dims();
        let mask = TensorData::new(self.mask(reach), [count, 1, 1, time, keys]);
        Tensor::from_data(mask, (device, dtype))
    }
}

/// The same on a device.
#[derive(Debug, Clone)]
pub(super) struct PlacedRows {
    dims: [usize; 3],
    queries: Option<Tensor<1, Int>>,
    places: Option<Tensor<1, Int>>,
    keys: Tensor<1, Int>,
}

impl PlacedRows {
    /// `q` `[n, heads, d]`, keys and values `[tokens, kv, d]` to `[n, heads, d]`.
    pub(super) fn attend(
        &self,
        q: Tensor<3>,
        k: Tensor<3>,
        v: Tensor<3>,
        mask: Tensor<5>,
        options: &AttentionOptions,
    ) -> Tensor<3> {
        let ([_, heads, d], [_, kv, _]) = (q.dims(), k.dims());
        let ([count, time, keys], groups) = (self.dims, heads / kv);
        let q = match &self.queries {
            Some(queries) => q.select(0, queries.clone()),
            None => q,
        };
        // Query heads that share a key head become rows of one product.
        let q = (q.reshape([count, time, heads, d]) * options.scale).swap_dims(1, 2);
        let q = q.reshape([count, kv, groups * time, d]);
        let all = |x: Tensor<3>| {
            let x = x.select(0, self.keys.clone());
            x.reshape([count, keys, kv, d]).swap_dims(1, 2)
        };
        let scores = q.matmul(all(k).swap_dims(2, 3));
        let scores = match options.softcap {
            Some(cap) => (scores * cap.recip()).tanh() * cap,
            None => scores,
        };
        let scores = scores.reshape([count, kv, groups, time, keys]) + mask;
        let weights = softmax(scores, 4).reshape([count, kv, groups * time, keys]);
        let mixed = weights.matmul(all(v)).reshape([count, heads, time, d]).swap_dims(1, 2);
        let mixed = mixed.reshape([count * time, heads, d]);
        match &self.places {
            Some(places) => mixed.select(0, places.clone()),
            None => mixed,
        }
    }
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
