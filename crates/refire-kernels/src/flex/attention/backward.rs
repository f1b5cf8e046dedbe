//! With `p` the weights, `o` the result and `g` its gradient:
//!
//! ```text
//! dv_j = sum_i p_ij g_i                      ds_ij = p_ij (g_i v_j - g_i o_i) scale
//! dq_i = sum_j ds_ij k_j                     dk_j = sum_i ds_ij q_i
//! ```
//!
//! with another factor `1 - tanh^2` of `ds` under a soft cap. Weights are made again from the
//! scores and each query's logarithm of the sum, once for the keys' gradients and once for the
//! queries': each number of a gradient is summed up by one thread, in one order.

use super::problem::{Problem, Scores, Turned, padded, split};
use crate::attention::BLOCK;
use crate::functions::exp;
use crate::simd::{Factor, add_product};
use crate::sums::dot;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::borrow::Cow;

/// What both passes read.
struct Known<'a> {
    problem: &'a Problem<'a>,
    keys: Turned,
    values: Turned,
    /// `[n, heads, width]`.
    grad: Cow<'a, [f32]>,
    log_sums: &'a [f32],
    /// `g_i o_i`, `[n, heads]`.
    means: Vec<f32>,
}

impl Problem<'_> {
    /// Gradients of queries, keys and values.
    pub(super) fn backward(&self, result: &[f32], log_sums: &[f32], grad: &[f32]) -> [Vec<f32>; 3] {
        let known = &Known {
            problem: self,
            keys: self.turned(&self.k),
            values: self.turned(&self.v),
            grad: padded(grad, self.d, self.width),
            log_sums,
            means: means(result, grad, self.d),
        };
        let (n, d, layout) = (self.layout.tokens(), self.d, self.layout);
        let [mut q, mut k, mut v] =
            [self.heads, self.kv, self.kv].map(|heads| vec![0.0; n * heads * d]);
        let keys = split(layout, &mut k, self.kv * d).into_par_iter();
        let keys = keys.zip(split(layout, &mut v, self.kv * d)).enumerate().with_max_len(1);
        keys.for_each(|(block, (k, v))| Arch::new().dispatch(Keys { known, block, k, v }));
        let queries = split(layout, &mut q, self.heads * d).into_par_iter();
        let queries = queries.enumerate().with_max_len(1);
        queries.for_each(|(block, q)| Arch::new().dispatch(Queries { known, block, q }));
        [q, k, v]
    }
}

fn means(result: &[f32], grad: &[f32], d: usize) -> Vec<f32> {
    let mut means = vec![0.0; result.len() / d];
    let rows = result.par_chunks(BLOCK * d).zip(grad.par_chunks(BLOCK * d));
    means.par_chunks_mut(BLOCK).zip(rows).for_each(|(means, (result, grad))| {
        Arch::new().dispatch(|| {
            let rows = result.chunks_exact(d).zip(grad.chunks_exact(d));
            means.iter_mut().zip(rows).for_each(|(mean, (o, g))| *mean = dot(o, g));
        });
    });
    means
}

/// Of a block of queries and a block of keys: weights and the gradient of the products.
struct Pair {
    weights: Box<Scores>,
    grads: Box<Scores>,
}

impl Pair {
    fn new() -> Self {
        Self { weights: Box::new([0.0; BLOCK * BLOCK]), grads: Box::new([0.0; BLOCK * BLOCK]) }
    }

    #[inline(always)]
    fn make<S: Simd>(
        &mut self,
        simd: S,
        known: &Known<'_>,
        [queries, keys]: [usize; 2],
        head: usize,
    ) {
        let p = known.problem;
        let of_keys = (keys, head / p.groups());
        let (queries, keys) = (&p.layout.blocks[queries], &p.layout.blocks[keys]);
        let rows = p.queries(&p.q, queries, head);
        p.products(simd, rows, queries, &known.keys, of_keys, &mut self.weights);
        let rows = p.queries(&known.grad, queries, head);
        p.products(simd, rows, queries, &known.values, of_keys, &mut self.grads);
        for query in 0..queries.len {
            let seen = p.visible(queries, query, keys);
            let weights = &mut self.weights[query * BLOCK..][..BLOCK];
            let grads = &mut self.grads[query * BLOCK..][..BLOCK];
            for row in [&mut *weights, &mut *grads] {
                row[..seen.start].fill(0.0);
                row[seen.end..].fill(0.0);
            }
            let (weights, grads) = (&mut weights[seen.clone()], &mut grads[seen]);
            p.score(weights);
            let place = (queries.start + query) * p.heads + head;
            let (log_sum, mean) = (known.log_sums[place], known.means[place]);
            // A factor of 0 leaves out what there is no cap for.
            let inverse = p.softcap.map_or(0.0, |cap| 1.0 / cap);
            for (weight, grad) in weights.iter_mut().zip(grads) {
                let tanh = *weight * inverse;
                *weight = exp(*weight - log_sum);
                *grad = *weight * (*grad - mean) * (1.0 - tanh * tanh) * p.scale;
            }
        }
    }
}

/// Gradients of one block of keys and values.
struct Keys<'a> {
    known: &'a Known<'a>,
    block: usize,
    k: &'a mut [f32],
    v: &'a mut [f32],
}

impl WithSimd for Keys<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let p = self.known.problem;
        let (groups, width, d) = (p.groups(), p.width, p.d);
        let keys = &p.layout.blocks[self.block];
        let mut pair = Pair::new();
        let (mut k, mut v) = (vec![0.0; BLOCK * width], vec![0.0; BLOCK * width]);
        for key_head in 0..p.kv {
            k.fill(0.0);
            v.fill(0.0);
            for other in p.layout.seeing(self.block) {
                let queries = &p.layout.blocks[other];
                if !p.meet(queries, keys) {
                    continue;
                }
                for head in key_head * groups..(key_head + 1) * groups {
                    pair.make(simd, self.known, [other, self.block], head);
                    let shape = [keys.len, width, queries.len];
                    let turned = |values| Factor { values, row: 1, column: BLOCK };
                    let (weights, grads) = (turned(&pair.weights[..]), turned(&pair.grads[..]));
                    let rows = p.queries(&self.known.grad, queries, head);
                    add_product(simd, weights, rows, (&mut v, width), shape);
                    let rows = p.queries(&p.q, queries, head);
                    add_product(simd, grads, rows, (&mut k, width), shape);
                }
            }
            for key in 0..keys.len {
                let (from, to) = (key * width, (key * p.kv + key_head) * d);
                self.k[to..to + d].copy_from_slice(&k[from..from + d]);
                self.v[to..to + d].copy_from_slice(&v[from..from + d]);
            }
        }
    }
}

/// Gradients of one block of queries.
struct Queries<'a> {
    known: &'a Known<'a>,
    block: usize,
    q: &'a mut [f32],
}

impl WithSimd for Queries<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let p = self.known.problem;
        let (width, d) = (p.width, p.d);
        let queries = &p.layout.blocks[self.block];
        let mut pair = Pair::new();
        let mut q = vec![0.0; BLOCK * width];
        for head in 0..p.heads {
            q.fill(0.0);
            for other in p.layout.seen_from(self.block) {
                let keys = &p.layout.blocks[other];
                if !p.meet(queries, keys) {
                    continue;
                }
                pair.make(simd, self.known, [self.block, other], head);
                let grads = Factor { values: &pair.grads[..], row: BLOCK, column: 1 };
                let rows = p.keys(&p.k, keys, head / p.groups());
                let shape = [queries.len, width, keys.len];
                add_product(simd, grads, rows, (&mut q, width), shape);
            }
            for query in 0..queries.len {
                let (from, to) = (query * width, (query * p.heads + head) * d);
                self.q[to..to + d].copy_from_slice(&q[from..from + d]);
            }
        }
    }
}
