//! Products with one reduction order, whatever the number of rows or threads.
//!
//! Every dot product runs over the lanes of the machine's widest vectors in fused multiply-adds,
//! and adds the lanes in a fixed tree. A tile of several rows changes how often a weight is read,
//! not how a sum is made.

use super::product::{Job, Values, products, widen};
use crate::Activation;
use pulp::{Simd, WithSimd};

/// `y = x w^T + bias` for `x` `[m, k]`, `w` `[n, k]`, `y` `[m, n]`.
pub(super) fn linear(
    x: &[f32],
    w: Values<'_>,
    bias: Option<&[f32]>,
    y: &mut [f32],
    [n, k]: [usize; 2],
    parallel: bool,
) {
    let rows = y.chunks_exact_mut(n.max(1)).collect();
    products(x, k, [(Job::plain(w, bias), rows)], parallel);
}

/// All rows of `x` against some rows of a weight.
pub(super) struct Tile<'a, 'b, 'y> {
    /// `[m, k]`.
    pub(super) x: &'a [f32],
    /// `[n, k]`.
    pub(super) weight: Values<'a>,
    /// `[m][n]`.
    pub(super) out: &'b mut [&'y mut [f32]],
    pub(super) k: usize,
}

impl WithSimd for Tile<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, weight, out, k } = self;
        if k == 0 {
            return out.iter_mut().for_each(|row| row.fill(0.0));
        }
        match weight {
            Values::F32(w) => {
                let mut rows = w.chunks_exact(4 * k);
                let mut column = 0;
                for four in rows.by_ref() {
                    columns::<S, 4>(simd, x, four, out, column, k);
                    column += 4;
                }
                for one in rows.remainder().chunks_exact(k) {
                    columns::<S, 1>(simd, x, one, out, column, k);
                    column += 1;
                }
            }
            Values::Bf16(w) => {
                let mut wide = vec![0.0; 4 * k];
                let mut column = 0;
                for rows in w.chunks(4 * k) {
                    let wide = &mut wide[..rows.len()];
                    widen(rows, wide);
                    if rows.len() == 4 * k {
                        columns::<S, 4>(simd, x, wide, out, column, k);
                    } else {
                        for (i, one) in wide.chunks_exact(k).enumerate() {
                            columns::<S, 1>(simd, x, one, out, column + i, k);
                        }
                    }
                    column += 4;
                }
            }
        }
    }
}

/// All rows of `x` against `N` rows of the weight.
#[inline(always)]
fn columns<S: Simd, const N: usize>(
    simd: S,
    x: &[f32],
    w: &[f32],
    out: &mut [&mut [f32]],
    column: usize,
    k: usize,
) {
    let (m, mut i) = (out.len(), 0);
    // Sixteen sums stay in registers only where there are 32 of them.
    if S::REGISTER_COUNT >= 32 {
        while i + 4 <= m {
            store(dots::<S, 4, N>(simd, &x[i * k..], w, k), &mut out[i..], column);
            i += 4;
        }
    }
    while i + 2 <= m {
        store(dots::<S, 2, N>(simd, &x[i * k..], w, k), &mut out[i..], column);
        i += 2;
    }
    while i < m {
        store(dots::<S, 1, N>(simd, &x[i * k..], w, k), &mut out[i..], column);
        i += 1;
    }
}

#[inline(always)]
fn store<const M: usize, const N: usize>(
    tile: [[f32; N]; M],
    out: &mut [&mut [f32]],
    column: usize,
) {
    for (row, sums) in out.iter_mut().zip(tile) {
        row[column..][..N].copy_from_slice(&sums);
    }
}

/// Dot products of the first `M` rows of `x` with the first `N` rows of `w`, each of length `k`.
#[inline(always)]
fn dots<S: Simd, const M: usize, const N: usize>(
    simd: S,
    x: &[f32],
    w: &[f32],
    k: usize,
) -> [[f32; N]; M] {
    let zero = simd.splat_f32s(0.0);
    let mut sums = [[zero; N]; M];
    let mut xs: [&[S::f32s]; M] = [&[]; M];
    let mut ws: [&[S::f32s]; N] = [&[]; N];
    let mut x_rest: [&[f32]; M] = [&[]; M];
    let mut w_rest: [&[f32]; N] = [&[]; N];
    for r in 0..M {
        (xs[r], x_rest[r]) = S::as_simd_f32s(&x[r * k..(r + 1) * k]);
    }
    for j in 0..N {
        (ws[j], w_rest[j]) = S::as_simd_f32s(&w[j * k..(j + 1) * k]);
    }
    for c in 0..k / S::F32_LANES {
        for r in 0..M {
            for j in 0..N {
                sums[r][j] = simd.mul_add_f32s(xs[r][c], ws[j][c], sums[r][j]);
            }
        }
    }
    let mut dots = [[0.0; N]; M];
    let rest = !k.is_multiple_of(S::F32_LANES);
    for r in 0..M {
        for j in 0..N {
            if rest {
                let (a, b) = (simd.partial_load_f32s(x_rest[r]), simd.partial_load_f32s(w_rest[j]));
                sums[r][j] = simd.mul_add_f32s(a, b, sums[r][j]);
            }
            dots[r][j] = simd.reduce_sum_f32s(sums[r][j]);
        }
    }
    dots
}

/// One dot product in the same order.
#[inline(always)]
pub(super) fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    dots::<S, 1, 1>(simd, a, b, a.len())[0][0]
}

/// `y += scale * x`.
#[inline(always)]
pub(super) fn add_scaled<S: Simd>(simd: S, y: &mut [f32], x: &[f32], scale: f32) {
    let factor = simd.splat_f32s(scale);
    let (ys, y_rest) = S::as_mut_simd_f32s(y);
    let (xs, x_rest) = S::as_simd_f32s(x);
    for (y, x) in ys.iter_mut().zip(xs) {
        *y = simd.mul_add_f32s(*x, factor, *y);
    }
    for (y, x) in y_rest.iter_mut().zip(x_rest) {
        *y += scale * x;
    }
}

/// `y += x`.
pub(super) fn add(y: &mut [f32], x: &[f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
}

/// `y += scale * x`.
pub(super) fn add_to(y: &mut [f32], x: &[f32], scale: f32) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += scale * x);
}

/// `x / sqrt(mean(x^2) + eps) * weight`, row by row.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    let width = weight.len();
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let scale = root_mean_square(x, eps);
        y.iter_mut().zip(x.iter().zip(weight)).for_each(|(y, (x, w))| *y = x / scale * w);
    }
}

/// The same in place.
pub(super) fn rms_norm_in_place(x: &mut [f32], weight: &[f32], eps: f32) {
    for x in x.chunks_exact_mut(weight.len()) {
        let scale = root_mean_square(x, eps);
        x.iter_mut().zip(weight).for_each(|(x, w)| *x = *x / scale * w);
    }
}

fn root_mean_square(x: &[f32], eps: f32) -> f32 {
    (x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32 + eps).sqrt()
}

/// `cap tanh(x / cap)`.
pub(super) fn soft_cap(x: &mut [f32], cap: f32) {
    x.iter_mut().for_each(|x| *x = (*x / cap).tanh() * cap);
}

/// `gate = act(gate) * up`.
pub(super) fn gated(gate: &mut [f32], up: &[f32], act: Activation) {
    let pairs = gate.iter_mut().zip(up);
    match act {
        Activation::Silu => pairs.for_each(|(g, u)| *g = *g / (1.0 + (-*g).exp()) * u),
        Activation::GeluTanh => pairs.for_each(|(g, u)| {
            let inner = (2.0 / std::f32::consts::PI).sqrt() * (*g + 0.044_715 * *g * *g * *g);
            *g = 0.5 * *g * (1.0 + inner.tanh()) * u;
        }),
    }
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
                let mut y = vec![0.0; m * n];
                linear(&x[..m * k], Values::F32(&w), Some(&bias), &mut y, [n, k], parallel);
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
