use super::{AttentionOptions, Layout};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::softmax};

/// Composed of burn's operations: every run with tokens becomes a row of queries, padded to the
/// longest, and a row of all keys that it sees.
pub(super) fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    layout: &Layout,
    options: &AttentionOptions,
) -> Tensor<3> {
    let ([n, heads, d], [_, kv, _]) = (q.dims(), k.dims());
    if n == 0 || heads == 0 {
        return q;
    }
    let device = q.device();
    let rows = Rows::new(layout);
    let ([count, time, keys], groups) = (rows.dims(), heads / kv);
    // Query heads that share a key head become rows of one product.
    let q = q.select(0, indices(&rows.queries, &device)).reshape([count, time, heads, d]);
    let q = (q * options.scale).swap_dims(1, 2).reshape([count, kv, groups * time, d]);
    let all = |x: Tensor<3>| {
        let x = x.select(0, indices(&rows.keys, &device));
        x.reshape([count, keys, kv, d]).swap_dims(1, 2)
    };
    let scores = q.matmul(all(k).swap_dims(2, 3));
    let scores = match options.softcap {
        Some(cap) => (scores * cap.recip()).tanh() * cap,
        None => scores,
    };
    let mask = TensorData::new(rows.mask(options.reach()), [count, 1, 1, time, keys]);
    let mask: Tensor<5> = Tensor::from_data(mask, (&device, scores.dtype()));
    let scores = scores.reshape([count, kv, groups, time, keys]) + mask;
    let weights = softmax(scores, 4).reshape([count, kv, groups * time, keys]);
    let mixed = weights.matmul(all(v)).reshape([count, heads, time, d]).swap_dims(1, 2);
    mixed.reshape([count * time, heads, d]).select(0, indices(&rows.places, &device))
}

/// The layout as padded rows.
struct Rows {
    /// Of each run with tokens: its length, and where its queries begin among its keys.
    runs: Vec<(usize, usize)>,
    /// `[rows, time]`: which token each query is.
    queries: Vec<usize>,
    /// `[rows, keys]`: which token each key is.
    keys: Vec<usize>,
    /// Where each token lies among `rows * time`.
    places: Vec<usize>,
}

impl Rows {
    fn new(layout: &Layout) -> Self {
        let full = (0..layout.runs().len()).filter(|run| layout.runs()[*run].len > 0);
        let runs: Vec<usize> = full.collect();
        let sizes = runs.iter().map(|run| (layout.runs()[*run].len, layout.position(*run)));
        let sizes: Vec<(usize, usize)> = sizes.collect();
        let time = sizes.iter().map(|(len, _)| *len).max().unwrap_or(0);
        let width = sizes.iter().map(|(len, before)| len + before).max().unwrap_or(0);
        let (mut queries, mut keys, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (row, run) in runs.iter().enumerate() {
            places.extend((0..layout.runs()[*run].len).map(|i| row * time + i));
            queries.extend(layout.places(*run));
            queries.resize((row + 1) * time, 0);
            let chain = layout.chain(*run);
            keys.extend(chain.into_iter().flat_map(|run| layout.places(run)));
            keys.resize((row + 1) * width, 0);
        }
        Self { runs: sizes, queries, keys, places }
    }

    fn dims(&self) -> [usize; 3] {
        let count = self.runs.len();
        [count, self.queries.len() / count, self.keys.len() / count]
    }

    /// 0 where a query sees a key, very low elsewhere.
    fn mask(&self, reach: usize) -> Vec<f32> {
        let [_, time, keys] = self.dims();
        let mut mask = Vec::with_capacity(self.runs.len() * time * keys);
        for (_, before) in &self.runs {
            for query in *before..before + time {
                let sees = |key: usize| key <= query && query - key < reach;
                mask.extend((0..keys).map(|key| if sees(key) { 0.0 } else { -1e30 }));
            }
        }
        mask
    }
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
