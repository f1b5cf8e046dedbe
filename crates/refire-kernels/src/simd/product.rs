use pulp::Simd;

/// A matrix of which single numbers are read, whatever way it lies.
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a> {
    pub(crate) values: &'a [f32],
    /// From one row to the next.
    pub(crate) row: usize,
    /// From one column to the next.
    pub(crate) column: usize,
}

/// `c += a b` for `a` `[m, k]`, `b` `[k, n]` and `c` `[m, n]`, whose rows lie `b_row` and `c_row`
/// apart; `n` is a multiple of 16.
///
/// Each number of `c` is one chain of multiply-adds in the order of `k`.
#[inline(always)]
pub(crate) fn add_product<S: Simd>(
    simd: S,
    a: Factor<'_>,
    (b, b_row): (&[f32], usize),
    (c, c_row): (&mut [f32], usize),
    [m, n, k]: [usize; 3],
) {
    let vectors = n / S::F32_LANES;
    let mut i = 0;
    // Sixteen sums stay in registers only where there are 32 of them.
    if S::REGISTER_COUNT >= 32 {
        while i + 4 <= m {
            rows::<S, 4>(simd, a, (b, b_row), (&mut *c, c_row), i, vectors, k);
            i += 4;
        }
    }
    while i + 2 <= m {
        rows::<S, 2>(simd, a, (b, b_row), (&mut *c, c_row), i, vectors, k);
        i += 2;
    }
    while i < m {
        rows::<S, 1>(simd, a, (b, b_row), (&mut *c, c_row), i, vectors, k);
        i += 1;
    }
}

/// `M` rows of the product.
#[inline(always)]
fn rows<S: Simd, const M: usize>(
    simd: S,
    a: Factor<'_>,
    (b, b_row): (&[f32], usize),
    (c, c_row): (&mut [f32], usize),
    i: usize,
    vectors: usize,
    k: usize,
) {
    let a = Factor { values: a.values.get(i * a.row..).unwrap_or(&[]), ..a };
    let c = &mut c[i * c_row..];
    let mut j = 0;
    while j + 4 <= vectors {
        let at = j * S::F32_LANES;
        tile::<S, M, 4>(simd, a, (&b[at..], b_row), (&mut c[at..], c_row), k);
        j += 4;
    }
    while j < vectors {
        let at = j * S::F32_LANES;
        tile::<S, M, 1>(simd, a, (&b[at..], b_row), (&mut c[at..], c_row), k);
        j += 1;
    }
}

/// `M` rows and `N` vectors of the product.
#[inline(always)]
fn tile<S: Simd, const M: usize, const N: usize>(
    simd: S,
    a: Factor<'_>,
    (b, b_row): (&[f32], usize),
    (c, c_row): (&mut [f32], usize),
    k: usize,
) {
    let width = N * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    for p in 0..k {
        let row = S::as_simd_f32s(&b[p * b_row..][..width]).0;
        let Some(row) = row.first_chunk::<N>() else { return };
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = simd.splat_f32s(a.values[r * a.row + p * a.column]);
            for (sum, y) in sums.iter_mut().zip(row) {
                *sum = simd.mul_add_f32s(x, *y, *sum);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let row = S::as_mut_simd_f32s(&mut c[r * c_row..][..width]).0;
        for (c, sum) in row.iter_mut().zip(sums) {
            *c = simd.add_f32s(*c, *sum);
        }
    }
}
