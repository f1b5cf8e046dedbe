use super::cache::KvCache;
use super::kernel::{add_scaled, dot, soft_cap};
use crate::nn::softmax;
use pulp::{Simd, WithSimd};

/// Attention of one token: its query over all keys up to and including its own.
pub(super) struct Attend<'a> {
    /// `[heads * head_dim]`, scaled.
    pub(super) query: &'a [f32],
    pub(super) cache: &'a KvCache,
    pub(super) layer: usize,
    /// The sequence's own tokens it sees, after the prefix.
    pub(super) own: usize,
    /// First token it sees, counted from the prefix's.
    pub(super) first: usize,
    /// Scores stay between minus and plus this.
    pub(super) softcap: Option<f32>,
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
        let before = self.cache.prefix_len();
        let parts = [
            (prefix, self.first.min(before)..before),
            (Some(&self.cache.own), self.first.saturating_sub(before)..self.own),
        ];
        let heads = self.query.chunks_exact(d).zip(self.out.chunks_exact_mut(d));
        for (head, (query, out)) in heads.enumerate() {
            let offset = head / self.groups * d;
            self.scores.clear();
            for (block, tokens) in &parts {
                let Some(block) = block else { continue };
                for token in tokens.clone() {
                    let key = &block.keys[block.at(self.layer, token) + offset..][..d];
                    self.scores.push(dot(simd, query, key));
                }
            }
            if let Some(cap) = self.softcap {
                soft_cap(self.scores, cap);
            }
            softmax(self.scores);
            out.fill(0.0);
            let mut weights = self.scores.iter();
            for (block, tokens) in &parts {
                let Some(block) = block else { continue };
                for (token, weight) in tokens.clone().zip(weights.by_ref()) {
                    let value = &block.values[block.at(self.layer, token) + offset..][..d];
                    add_scaled(simd, out, value, *weight);
                }
            }
        }
    }
}
