use super::cache::KvCache;
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
    fn with_simd<S: Simd>(self, simd: S) {
        let d = self.head_dim;
        let prefix = self.cache.prefix.as_ref().map(|p| &*p.0);
        let parts = [(prefix, self.cache.prefix_len()), (Some(&self.cache.own), self.own)];
        let heads = self.query.chunks_exact(d).zip(self.out.chunks_exact_mut(d));
        for (head, (query, out)) in heads.enumerate() {
            let offset = head / self.groups * d;
            self.scores.clear();
            for (block, len) in parts {
                let Some(block) = block else { continue };
                for token in 0..len {
                    let key = &block.keys[block.at(self.layer, token) + offset..][..d];
                    self.scores.push(dot(simd, query, key));
                }
            }
            softmax(self.scores);
            out.fill(0.0);
            let mut seen = 0;
            for (block, len) in parts {
                let Some(block) = block else { continue };
                for token in 0..len {
                    let value = &block.values[block.at(self.layer, token) + offset..][..d];
                    add_scaled(simd, out, value, self.scores[seen + token]);
                }
                seen += len;
            }
        }
    }
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
