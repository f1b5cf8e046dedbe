use super::problem::{Problem, Scores, Turned, split};
use crate::attention::BLOCK;
use crate::functions::exp;
use crate::simd::{Factor, add_product};
use crate::sums::{max, sum};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

impl Problem<'_> {
    /// The result `[n, heads, d]`, and the logarithm of each query's sum of exponentials.
    pub(super) fn forward(&self) -> (Vec<f32>, Vec<f32>) {
        let (n, heads) = (self.layout.tokens(), self.heads);
        let (mut result, mut log_sums) = (vec![0.0; n * heads * self.d], vec![0.0; n * heads]);
        let keys = &self.turned(&self.k);
        let results = split(self.layout, &mut result, heads * self.d);
        let sums = split(self.layout, &mut log_sums, heads);
        let blocks = results.into_par_iter().zip(sums).enumerate().with_max_len(1);
        blocks.for_each(|(block, (result, log_sums))| {
            Arch::new().dispatch(Queries { problem: self, keys, block, result, log_sums });
        });
        (result, log_sums)
    }
}

/// One block of queries over all keys it sees.
struct Queries<'a> {
    problem: &'a Problem<'a>,
    keys: &'a Turned,
    block: usize,
    result: &'a mut [f32],
    log_sums: &'a mut [f32],
}

/// Running sums of one head's queries.
struct Running {
    scores: Box<Scores>,
    /// `[queries, width]`.
    mixed: Vec<f32>,
    max: [f32; BLOCK],
    sum: [f32; BLOCK],
}

impl WithSimd for Queries<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (p, heads, d) = (self.problem, self.problem.heads, self.problem.d);
        let queries = &p.layout.blocks[self.block];
        let mut running = Running {
            scores: Box::new([0.0; BLOCK * BLOCK]),
            mixed: vec![0.0; BLOCK * p.width],
            max: [0.0; BLOCK],
            sum: [0.0; BLOCK],
        };
        for head in 0..heads {
            running.mixed.fill(0.0);
            running.max.fill(f32::NEG_INFINITY);
            running.sum.fill(0.0);
            for other in p.layout.seen_from(self.block) {
                if p.meet(queries, &p.layout.blocks[other]) {
                    running.add(simd, &self, head, other);
                }
            }
            for query in 0..queries.len {
                let (max, sum) = (running.max[query], running.sum[query]);
                self.log_sums[query * heads + head] = max + sum.ln();
                let mixed = &running.mixed[query * p.width..][..d];
                let result = &mut self.result[(query * heads + head) * d..][..d];
                let inverse = 1.0 / sum;
                result.iter_mut().zip(mixed).for_each(|(y, x)| *y = x * inverse);
            }
        }
    }
}

impl Running {
    /// Adds a block of keys.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, task: &Queries<'_>, head: usize, other: usize) {
        let p = task.problem;
        let (queries, keys) = (&p.layout.blocks[task.block], &p.layout.blocks[other]);
        let key_head = head / p.groups();
        let rows = p.queries(&p.q, queries, head);
        p.products(simd, rows, queries, task.keys, (other, key_head), &mut self.scores);
        for query in 0..queries.len {
            let row = &mut self.scores[query * BLOCK..][..BLOCK];
            let seen = p.visible(queries, query, keys);
            row[..seen.start].fill(0.0);
            row[seen.end..].fill(0.0);
            if seen.is_empty() {
                continue;
            }
            let row = &mut row[seen];
            p.score(row);
            let before = self.max[query];
            let highest = max(row);
            let highest = if highest > before { highest } else { before };
            row.iter_mut().for_each(|x| *x = exp(*x - highest));
            let kept = exp(before - highest);
            self.max[query] = highest;
            self.sum[query] = self.sum[query] * kept + sum(row);
            if kept != 1.0 {
                let mixed = &mut self.mixed[query * p.width..][..p.width];
                mixed.iter_mut().for_each(|x| *x *= kept);
            }
        }
        let weights = Factor { values: &self.scores[..], row: BLOCK, column: 1 };
        let values = p.keys(&p.v, keys, key_head);
        let shape = [queries.len, p.width, keys.len];
        add_product(simd, weights, values, (&mut self.mixed, p.width), shape);
    }
}
