use crate::attention::{BLOCK, Block};
use crate::functions::tanh;
use crate::simd::{Factor, add_product};
use crate::sums::LANES;
use crate::{AttentionOptions, Layout};
use pulp::Simd;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Queries, keys and values, and who sees whom.
pub(super) struct Problem<'a> {
    pub(super) layout: &'a Layout,
    pub(super) scale: f32,
    reach: usize,
    pub(super) softcap: Option<f32>,
    pub(super) heads: usize,
    pub(super) kv: usize,
    /// Of a head as given.
    pub(super) d: usize,
    /// Of a head as it is worked on: a multiple of the vectors' length.
    pub(super) width: usize,
    /// `[n, heads, width]`.
    pub(super) q: Cow<'a, [f32]>,
    /// `[n, kv, width]`.
    pub(super) k: Cow<'a, [f32]>,
    pub(super) v: Cow<'a, [f32]>,
}

/// Blocks of keys or values with their dimensions as rows: `[blocks, kv, width, BLOCK]`, 0 beyond
/// a block's length.
pub(super) struct Turned(Vec<f32>);

/// Scores of a block of queries and a block of keys.
pub(super) type Scores = [f32; BLOCK * BLOCK];

impl<'a> Problem<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        options: &AttentionOptions,
        [heads, kv, d]: [usize; 3],
        [q, k, v]: [&'a [f32]; 3],
    ) -> Self {
        let width = d.next_multiple_of(LANES);
        Self {
            layout,
            scale: options.scale as f32,
            reach: options.reach(),
            softcap: options.softcap.map(|cap| cap as f32),
            heads,
            kv,
            d,
            width,
            q: padded(q, d, width),
            k: padded(k, d, width),
            v: padded(v, d, width),
        }
    }

    pub(super) fn groups(&self) -> usize {
        self.heads / self.kv
    }

    pub(super) fn turned(&self, x: &[f32]) -> Turned {
        let (kv, width) = (self.kv, self.width);
        let mut turned = vec![0.0; self.layout.blocks.len() * kv * width * BLOCK];
        let blocks = turned.par_chunks_mut(kv * width * BLOCK).zip(&self.layout.blocks);
        blocks.for_each(|(turned, block)| {
            for (head, panel) in turned.chunks_exact_mut(width * BLOCK).enumerate() {
                for key in 0..block.len {
                    let row = &x[((block.start + key) * kv + head) * width..][..width];
                    for (dimension, value) in row.iter().enumerate() {
                        panel[dimension * BLOCK + key] = *value;
                    }
                }
            }
        });
        Turned(turned)
    }

    /// Rows of one head of a block of queries, and how far they lie apart.
    pub(super) fn queries<'b>(
        &self,
        x: &'b [f32],
        block: &Block,
        head: usize,
    ) -> (&'b [f32], usize) {
        (&x[(block.start * self.heads + head) * self.width..], self.heads * self.width)
    }

    /// Rows of one head of a block of keys, and how far they lie apart.
    pub(super) fn keys<'b>(&self, x: &'b [f32], block: &Block, head: usize) -> (&'b [f32], usize) {
        (&x[(block.start * self.kv + head) * self.width..], self.kv * self.width)
    }

    /// Whether any of a block of queries sees any of a block of keys, which isn't later.
    pub(super) fn meet(&self, queries: &Block, keys: &Block) -> bool {
        queries.position - (keys.position + keys.len - 1).min(queries.position) < self.reach
    }

    /// The keys of a block that a query of another block sees.
    #[inline(always)]
    pub(super) fn visible(&self, queries: &Block, query: usize, keys: &Block) -> Range<usize> {
        let position = queries.position + query;
        let first = (position + 1).saturating_sub(self.reach);
        let low = first.saturating_sub(keys.position);
        // Positions of what a run continues are all lower.
        let high = (position + 1 - keys.position).min(keys.len);
        low.min(high)..high
    }

    /// Products of a block's rows with turned rows of another, `[queries, BLOCK]`.
    #[inline(always)]
    pub(super) fn products<S: Simd>(
        &self,
        simd: S,
        (rows, row): (&[f32], usize),
        queries: &Block,
        turned: &Turned,
        (keys, head): (usize, usize),
        scores: &mut Scores,
    ) {
        let panel = self.width * BLOCK;
        let panel = &turned.0[(keys * self.kv + head) * panel..][..panel];
        scores[..queries.len * BLOCK].fill(0.0);
        let a = Factor { values: rows, row, column: 1 };
        let shape = [queries.len, BLOCK, self.width];
        add_product(simd, a, (panel, BLOCK), (&mut scores[..], BLOCK), shape);
    }

    /// From products to scores.
    #[inline(always)]
    pub(super) fn score(&self, products: &mut [f32]) {
        match self.softcap {
            Some(cap) => {
                let factor = self.scale / cap;
                products.iter_mut().for_each(|x| *x = cap * tanh(*x * factor));
            }
            None => products.iter_mut().for_each(|x| *x *= self.scale),
        }
    }
}

/// Heads of `d` numbers with zeros behind.
pub(super) fn padded(x: &[f32], d: usize, width: usize) -> Cow<'_, [f32]> {
    if d == width {
        return Cow::Borrowed(x);
    }
    let mut padded = vec![0.0; x.len() / d * width];
    for (padded, x) in padded.chunks_exact_mut(width).zip(x.chunks_exact(d)) {
        padded[..d].copy_from_slice(x);
    }
    Cow::Owned(padded)
}

/// A mutable part of `x` for each block, `width` numbers a token.
pub(super) fn split<'a>(layout: &Layout, mut x: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
    let part = |block: &Block| {
        let (part, rest) = std::mem::take(&mut x).split_at_mut(block.len * width);
        x = rest;
        part
    };
    layout.blocks.iter().map(part).collect()
}
