//! Products with one reduction order, whatever the number of rows, threads or the width of SIMD.
//!
//! Every dot product runs over 16 lanes of fused multiply-adds and adds the lanes in a fixed tree.
//! A tile of several rows changes how often a weight is read, not how a sum is made.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::array::from_fn;

const LANES: usize = 16;
type Lanes = [f32; LANES];

/// Products below this many multiply-adds aren't worth a second thread.
const PARALLEL: usize = 1 << 17;

/// `y = x w^T + bias` for `x` `[m, k]`, `w` `[n, k]`, `y` `[m, n]`; `turned` is scratch.
pub(super) fn linear(
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
    [m, n, k]: [usize; 3],
    turned: &mut Vec<f32>,
    parallel: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    turned.resize(m * n, 0.0);
    // Threads share the weight's rows; their results are contiguous in the turned product.
    let threads = rayon::current_num_threads();
    let part = if parallel && m * n * k >= PARALLEL { n.div_ceil(threads * 4).max(8) } else { n };
    let block = |(out, rows): (&mut [f32], &[f32])| {
        Arch::new().dispatch(Block { x, w: rows, y: out, m, k });
    };
    if part < n {
        turned.par_chunks_mut(part * m).zip(w.par_chunks(part * k)).for_each(block);
    } else {
        block((turned, w));
    }
    for (row, out) in y.chunks_exact_mut(n).enumerate() {
        out.iter_mut().zip(turned[row..].iter().step_by(m)).for_each(|(y, t)| *y = *t);
        if let Some(bias) = bias {
            out.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
    }
}

struct Block<'a> {
    x: &'a [f32],
    w: &'a [f32],
    /// `[rows of w, m]`.
    y: &'a mut [f32],
    m: usize,
    k: usize,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { x, w, y, m, k } = self;
        let mut outputs = y.chunks_exact_mut(4 * m);
        let mut weights = w.chunks_exact(4 * k);
        for (out, rows) in outputs.by_ref().zip(weights.by_ref()) {
            columns::<4>(x, rows, out, m, k);
        }
        let rest = weights.remainder().chunks_exact(k);
        for (out, rows) in outputs.into_remainder().chunks_exact_mut(m).zip(rest) {
            columns::<1>(x, rows, out, m, k);
        }
    }
}

/// All rows of `x` against `N` rows of the weight.
#[inline(always)]
fn columns<const N: usize>(x: &[f32], w: &[f32], out: &mut [f32], m: usize, k: usize) {
    let weights: [&[f32]; N] = from_fn(|j| &w[j * k..(j + 1) * k]);
    let mut i = 0;
    while i + 4 <= m {
        let tile = dots::<4, N>(from_fn(|r| &x[(i + r) * k..(i + r + 1) * k]), weights);
        for (r, line) in tile.iter().enumerate() {
            line.iter().enumerate().for_each(|(j, dot)| out[j * m + i + r] = *dot);
        }
        i += 4;
    }
    while i < m {
        let [line] = dots::<1, N>([&x[i * k..(i + 1) * k]], weights);
        line.iter().enumerate().for_each(|(j, dot)| out[j * m + i] = *dot);
        i += 1;
    }
}

/// Dot products of `M` rows with `N` rows.
#[inline(always)]
fn dots<const M: usize, const N: usize>(x: [&[f32]; M], w: [&[f32]; N]) -> [[f32; N]; M] {
    let mut sums = [[[0.0_f32; LANES]; N]; M];
    let xs: [(&[Lanes], &[f32]); M] = from_fn(|r| x[r].as_chunks());
    let ws: [(&[Lanes], &[f32]); N] = from_fn(|j| w[j].as_chunks());
    let chunks = xs[0].0.len();
    let xc: [&[Lanes]; M] = from_fn(|r| &xs[r].0[..chunks]);
    let wc: [&[Lanes]; N] = from_fn(|j| &ws[j].0[..chunks]);
    for c in 0..chunks {
        step(&mut sums, from_fn(|r| xc[r][c]), from_fn(|j| wc[j][c]));
    }
    if !xs[0].1.is_empty() {
        step(&mut sums, from_fn(|r| padded(xs[r].1)), from_fn(|j| padded(ws[j].1)));
    }
    from_fn(|r| from_fn(|j| total(&sums[r][j])))
}

#[inline(always)]
fn step<const M: usize, const N: usize>(sums: &mut [[Lanes; N]; M], x: [Lanes; M], w: [Lanes; N]) {
    for r in 0..M {
        for j in 0..N {
            for lane in 0..LANES {
                sums[r][j][lane] = x[r][lane].mul_add(w[j][lane], sums[r][j][lane]);
            }
        }
    }
}

#[inline(always)]
fn padded(rest: &[f32]) -> Lanes {
    let mut lanes = [0.0; LANES];
    lanes[..rest.len()].copy_from_slice(rest);
    lanes
}

#[inline(always)]
fn total(lanes: &Lanes) -> f32 {
    let eight: [f32; 8] = from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// One dot product in the same order.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let [[sum]] = dots::<1, 1>([a], [b]);
    sum
}

/// `y += scale * x`.
#[inline(always)]
pub(super) fn add_scaled(y: &mut [f32], x: &[f32], scale: f32) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = x.mul_add(scale, *y));
}

/// `x / sqrt(mean(x^2) + eps) * weight`, row by row.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    let width = weight.len();
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let scale = (x.iter().map(|v| v * v).sum::<f32>() / width as f32 + eps).sqrt();
        y.iter_mut().zip(x.iter().zip(weight)).for_each(|(y, (x, w))| *y = x / scale * w);
    }
}

/// `gate = silu(gate) * up`.
pub(super) fn swiglu(gate: &mut [f32], up: &[f32]) {
    gate.iter_mut().zip(up).for_each(|(g, u)| *g = *g / (1.0 + (-*g).exp()) * u);
}

#[cfg(test)]
mod tests {
    use super::*;
    use refire_core::{Purpose, Stream};

    fn random(n: usize, id: u64) -> Vec<f32> {
        let mut stream = Stream::new(0, Purpose::INIT, 0, id, 0);
        (0..n).map(|_| stream.normal() as f32).collect()
    }

    #[test]
    fn products_are_right_and_have_the_same_bits_for_any_number_of_rows_and_threads() {
        for [n, k] in [[7, 5], [64, 48], [513, 100]] {
            let (x, w, bias) = (random(70 * k, 1), random(n * k, 2), random(n, 3));
            let product = |m: usize, parallel| {
                let (mut y, mut turned) = (vec![0.0; m * n], Vec::new());
                linear(&x[..m * k], &w, Some(&bias), &mut y, [m, n, k], &mut turned, parallel);
                y
            };
            let all = product(70, false);
            for m in [1, 2, 3, 4, 7, 64] {
                assert_eq!(product(m, true), all[..m * n], "{m} rows of {n} x {k}");
            }
            for (i, y) in all.iter().enumerate() {
                let pairs = x[i / n * k..][..k].iter().zip(&w[i % n * k..][..k]);
                let exact: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                assert!((exact + f64::from(bias[i % n]) - f64::from(*y)).abs() < 1e-4);
            }
        }
    }
}
