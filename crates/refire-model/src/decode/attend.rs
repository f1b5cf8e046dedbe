use super::cache::{Block, Blocks};
use super::dots::{Rows, dots};
use super::kernel::{add_scaled, soft_cap};
use crate::nn::softmax;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Attention of one token with the query heads that share a key head: over all keys up to and
/// including its own.
pub(super) struct Attend<'a> {
    /// `[groups * head_dim]`, scaled.
    pub(super) query: &'a [f32],
    pub(super) cache: &'a Blocks<'a>,
    pub(super) layer: usize,
    /// Which key head.
    pub(super) head: usize,
    /// The sequence's own tokens it sees, after the prefix.
    pub(super) own: usize,
    /// First token it sees, counted from the prefix's.
    pub(super) first: usize,
    /// Scores stay between minus and plus this.
    pub(super) softcap: Option<f32>,
    pub(super) head_dim: usize,
    /// `[groups * head_dim]`.
    pub(super) out: &'a mut [f32],
    /// `[groups * seen]` while it runs.
    pub(super) scores: &'a mut Vec<f32>,
}

/// Tokens that lie next to each other.
type Part<'a> = (&'a Block, Range<usize>);

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let before = self.cache.prefix_len();
        let own = (&*self.cache.own, self.first.saturating_sub(before)..self.own);
        let parts: [Option<Part<'_>>; 2] =
            [self.cache.prefix.map(|prefix| (prefix, self.first.min(before)..before)), Some(own)];
        let seen = parts.iter().flatten().map(|(_, tokens)| tokens.len()).sum();
        self.scores.resize(self.query.len() / self.head_dim * seen, 0.0);
        let mut column = 0;
        for (block, tokens) in parts.iter().flatten() {
            self.score(simd, block, tokens.clone(), [seen, column]);
            column += tokens.len();
        }
        for scores in self.scores.chunks_exact_mut(seen) {
            if let Some(cap) = self.softcap {
                soft_cap(scores, cap);
            }
            softmax(scores);
        }
        self.out.fill(0.0);
        column = 0;
        for (block, tokens) in parts.iter().flatten() {
            self.mix(simd, block, tokens.clone(), [seen, column]);
            column += tokens.len();
        }
    }
}

impl Attend<'_> {
    /// Products of the queries with a part's keys.
    #[inline(always)]
    fn score<S: Simd>(&mut self, simd: S, block: &Block, tokens: Range<usize>, place: [usize; 2]) {
        let four = tokens.len() / 4 * 4;
        for i in (0..four).step_by(4) {
            let keys = self.rows(block, &block.keys, tokens.start + i);
            self.score_some::<S, 4>(simd, keys, place, i);
        }
        for i in four..tokens.len() {
            let keys = self.rows(block, &block.keys, tokens.start + i);
            self.score_some::<S, 1>(simd, keys, place, i);
        }
    }

    #[inline(always)]
    fn score_some<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        keys: Rows<'_, f32>,
        [seen, column]: [usize; 2],
        i: usize,
    ) {
        let d = self.head_dim;
        let heads = self.query.len() / d;
        let at = |head: usize| head * seen + column + i;
        let mut head = 0;
        while head + 2 <= heads {
            let queries = Rows { values: &self.query[head * d..], stride: d };
            let [a, b] = dots::<S, f32, 2, N>(simd, queries, keys, d, 0);
            self.scores[at(head)..][..N].copy_from_slice(&a);
            self.scores[at(head + 1)..][..N].copy_from_slice(&b);
            head += 2;
        }
        if head < heads {
            let queries = Rows { values: &self.query[head * d..], stride: d };
            let [a] = dots::<S, f32, 1, N>(simd, queries, keys, d, 0);
            self.scores[at(head)..][..N].copy_from_slice(&a);
        }
    }

    /// Adds a part's values, weighted.
    #[inline(always)]
    fn mix<S: Simd>(
        &mut self,
        simd: S,
        block: &Block,
        tokens: Range<usize>,
        [seen, column]: [usize; 2],
    ) {
        let d = self.head_dim;
        let four = tokens.len() / 4 * 4;
        for i in (0..four).step_by(4) {
            let values = self.rows(block, &block.values, tokens.start + i);
            let weights = self.scores.chunks_exact(seen);
            for (out, weights) in self.out.chunks_exact_mut(d).zip(weights) {
                let mut scales = [0.0; 4];
                scales.copy_from_slice(&weights[column + i..][..4]);
                add_scaled(simd, out, values, scales);
            }
        }
        for i in four..tokens.len() {
            let values = self.rows(block, &block.values, tokens.start + i);
            let weights = self.scores.chunks_exact(seen);
            for (out, weights) in self.out.chunks_exact_mut(d).zip(weights) {
                add_scaled(simd, out, values, [weights[column + i]]);
            }
        }
    }

    /// A head's keys or values from a token on.
    #[inline(always)]
    fn rows<'b>(&self, block: &Block, values: &'b [f32], token: usize) -> Rows<'b, f32> {
        let start = block.at(self.layer, token) + self.head * self.head_dim;
        Rows { values: &values[start..], stride: block.width }
    }
}
