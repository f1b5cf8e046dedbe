use super::cache::{Block, KvCache};
use super::kernel::{add_scaled, dot};
use pulp::{Simd, WithSimd};

/// Attention of one token: its query over all keys up to and including its own.
pub(super) struct Attend<'a> {
    /// `[heads * head_dim]`, scaled.
    pub(super) query: &'a [f32],
    pub(super) cache: &'a KvCache,
    pub(super) layer: usize,
    /// The sequence's own tokens it sees, after the prefix.
    pub(super) own: usize,
    pub(super) head_dim: usize,
    /// Query heads per key head.
    pub(super) groups: usize,
    pub(super) out: &'a mut [f32],
    pub(super) scores: &'a mut Vec<f32>,
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let d = self.head_dim;
        let prefix = self.cache.prefix.as_ref().map(|p| &*p.0);
        let parts = [(prefix, self.cache.prefix_len()), (Some(&self.cache.own), self.own)];
        let heads = self.query.chunks_exact(d).zip(self.out.chunks_exact_mut(d));
        for (head, (query, out)) in heads.enumerate() {
            let offset = head / self.groups * d;
            self.scores.clear();
            for (block, len) in parts {
                let Some(block) = block else { continue };
                let keys = tokens(&block.keys, block, self.layer, len, offset, d);
                self.scores.extend(keys.map(|key| dot(query, key)));
            }
            softmax(self.scores);
            out.fill(0.0);
            let mut weights = self.scores.iter();
            for (block, len) in parts {
                let Some(block) = block else { continue };
                let values = tokens(&block.values, block, self.layer, len, offset, d);
                values.zip(weights.by_ref()).for_each(|(value, w)| add_scaled(out, value, *w));
            }
        }
    }
}

/// One head's part of the first `len` tokens of a layer.
#[inline(always)]
fn tokens<'a>(
    store: &'a [f32],
    block: &'a Block,
    layer: usize,
    len: usize,
    offset: usize,
    d: usize,
) -> impl Iterator<Item = &'a [f32]> {
    (0..len).map(move |token| &store[block.at(layer, token) + offset..][..d])
}

#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - max).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}
