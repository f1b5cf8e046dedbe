//! Products with one reduction order, whatever the number of rows or threads.
//!
//! Every dot product runs over the lanes of the machine's widest vectors in fused multiply-adds,
//! and adds the lanes in a fixed tree. A tile of several rows changes how often a weight is read,
//! not how a sum is made.

use super::dots::{Number, Rows, dots};
use super::product::{Job, Values, products};
use crate::Activation;
use pulp::{Arch, Simd, WithSimd};
use refire_kernels::functions::{gelu_tanh, silu, tanh};
use refire_kernels::sums::sum_of_squares;

/// Rows of `x` during whose products the next rows of a weight arrive.
const LAST: usize = 16;

/// So few rows of `x` take one row of the weight after the other, as it lies in memory: several at a
/// time would be as many short streams, which the processor is slower to see coming.
const FEW: usize = 2;

/// Bytes of such a stream that are on their way.
const AHEAD: usize = 4096;

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
            Values::F32(w) => each(simd, x, w, out, k),
            Values::Bf16(w) => each(simd, x, w, out, k),
        }
    }
}

/// All rows of `x` against all rows of the weight.
#[inline(always)]
fn each<S: Simd, T: Number>(simd: S, x: &[f32], w: &[T], out: &mut [&mut [f32]], k: usize) {
    let mut column = 0;
    let fours = if out.len() > FEW { w } else { &[] };
    let mut rows = fours.chunks_exact(4 * k);
    for four in rows.by_ref() {
        columns::<S, T, 4>(simd, x, four, out, column, k);
        column += 4;
    }
    for one in w[column * k..].chunks_exact(k) {
        columns::<S, T, 1>(simd, x, one, out, column, k);
        column += 1;
    }
}

/// All rows of `x` against `N` rows of the weight.
#[inline(always)]
fn columns<S: Simd, T: Number, const N: usize>(
    simd: S,
    x: &[f32],
    w: &[T],
    out: &mut [&mut [f32]],
    column: usize,
    k: usize,
) {
    let (m, mut i) = (out.len(), 0);
    let rows = |i: usize| Rows { values: &x[i * k..], stride: k };
    let w = Rows { values: w, stride: k };
    // The next rows of the weight are asked for while the last rows of `x` are at work.
    let ahead = |i: usize| match m {
        0..=FEW => AHEAD / size_of::<T>(),
        _ if m - i > LAST => 0,
        _ => N * k,
    };
    // Sixteen sums stay in registers only where there are 32 of them.
    if S::REGISTER_COUNT >= 32 {
        while i + 4 <= m {
            store(dots::<S, T, 4, N>(simd, rows(i), w, k, ahead(i)), &mut out[i..], column);
            i += 4;
        }
    }
    while i + 2 <= m {
        store(dots::<S, T, 2, N>(simd, rows(i), w, k, ahead(i)), &mut out[i..], column);
        i += 2;
    }
    while i < m {
        store(dots::<S, T, 1, N>(simd, rows(i), w, k, ahead(i)), &mut out[i..], column);
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

/// `y += sum_j scale_j x_j` for the first `N` rows of `x`, one after another.
#[inline(always)]
pub(super) fn add_scaled<S: Simd, const N: usize>(
    simd: S,
    y: &mut [f32],
    x: Rows<'_, f32>,
    scales: [f32; N],
) {
    let factors = scales.map(|scale| simd.splat_f32s(scale));
    let mut xs: [(&[S::f32s], &[f32]); N] = [(&[], &[]); N];
    for (j, parts) in xs.iter_mut().enumerate() {
        *parts = S::as_simd_f32s(&x.values[j * x.stride..][..y.len()]);
    }
    let (ys, y_rest) = S::as_mut_simd_f32s(y);
    for (c, y) in ys.iter_mut().enumerate() {
        for j in 0..N {
            *y = simd.mul_add_f32s(xs[j].0[c], factors[j], *y);
        }
    }
    for (c, y) in y_rest.iter_mut().enumerate() {
        for j in 0..N {
            *y += scales[j] * xs[j].1[c];
        }
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
    (sum_of_squares(x) / x.len() as f32 + eps).sqrt()
}

/// `cap tanh(x / cap)`.
pub(super) fn soft_cap(x: &mut [f32], cap: f32) {
    Arch::new().dispatch(|| x.iter_mut().for_each(|x| *x = tanh(*x / cap) * cap));
}

/// `gate = act(gate) * up`.
pub(super) fn gated(gate: &mut [f32], up: &[f32], act: Activation) {
    Arch::new().dispatch(|| {
        let pairs = gate.iter_mut().zip(up);
        match act {
            Activation::Silu => pairs.for_each(|(g, u)| *g = silu(*g) * u),
            Activation::GeluTanh => pairs.for_each(|(g, u)| *g = gelu_tanh(*g) * u),
        }
    });
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
