//! Tiles of dot products.

use branches::prefetch_read_data;
use half::bf16;
use pulp::Simd;

/// Numbers that are read together, whatever the width of the machine's vectors.
const BLOCK: usize = 16;

/// Bytes that come from memory together.
const LINE: usize = 64;

/// What a matrix may be stored as; sums are made in f32.
pub(super) trait Number: Copy {
    fn wide(self) -> f32;
}

impl Number for f32 {
    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }
}

impl Number for bf16 {
    /// Every bfloat16 is the upper half of a float.
    #[inline(always)]
    fn wide(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

/// Rows of length `k` that begin `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) values: &'a [T],
    pub(super) stride: usize,
}

impl<'a, T> Rows<'a, T> {
    /// The first `N`, as blocks and what is left of each.
    #[inline(always)]
    fn blocks<const N: usize>(self, k: usize) -> ([&'a [[T; BLOCK]]; N], [&'a [T]; N]) {
        let mut blocks: [&[[T; BLOCK]]; N] = [&[]; N];
        let mut rests: [&[T]; N] = [&[]; N];
        for i in 0..N {
            (blocks[i], rests[i]) = self.values[i * self.stride..][..k].as_chunks();
        }
        (blocks, rests)
    }
}

/// Dot products of the first `M` rows of `x` with the first `N` rows of `w`, each of length `k`.
///
/// Rows that lie in main memory are asked for `ahead` numbers before they are read: while products
/// fill the processor's queues it finds too few of the next loads by itself.
#[inline(always)]
pub(super) fn dots<S: Simd, T: Number, const M: usize, const N: usize>(
    simd: S,
    x: Rows<'_, f32>,
    w: Rows<'_, T>,
    k: usize,
    ahead: usize,
) -> [[f32; N]; M] {
    let (xs, x_rest) = x.blocks::<M>(k);
    let (ws, w_rest) = w.blocks::<N>(k);
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    for c in 0..k / BLOCK {
        if ahead > 0 && (c * size_of::<[T; BLOCK]>()).is_multiple_of(LINE) {
            for w in ws {
                prefetch_read_data::<T, 0>(w[c].as_ptr().wrapping_add(ahead));
            }
        }
        let mut wide = [[0.0; BLOCK]; N];
        for j in 0..N {
            wide[j] = ws[j][c].map(T::wide);
        }
        for v in 0..BLOCK / S::F32_LANES {
            for r in 0..M {
                let a = S::as_simd_f32s(&xs[r][c]).0[v];
                for j in 0..N {
                    let b = S::as_simd_f32s(&wide[j]).0[v];
                    sums[r][j] = simd.mul_add_f32s(a, b, sums[r][j]);
                }
            }
        }
    }
    let rest = k % BLOCK;
    let mut wide = [[0.0; BLOCK]; N];
    for j in 0..N {
        wide[j].iter_mut().zip(w_rest[j]).for_each(|(y, x)| *y = x.wide());
    }
    for start in (0..rest).step_by(S::F32_LANES) {
        let part = start..rest.min(start + S::F32_LANES);
        for r in 0..M {
            let a = simd.partial_load_f32s(&x_rest[r][part.clone()]);
            for j in 0..N {
                let b = simd.partial_load_f32s(&wide[j][part.clone()]);
                sums[r][j] = simd.mul_add_f32s(a, b, sums[r][j]);
            }
        }
    }
    let mut dots = [[0.0; N]; M];
    for r in 0..M {
        for j in 0..N {
            dots[r][j] = simd.reduce_sum_f32s(sums[r][j]);
        }
    }
    dots
}
