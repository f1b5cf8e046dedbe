/// Partial sums of a reduction. Their number is part of the result's bits, so it is the same on
/// every machine.
pub(crate) const LANES: usize = 16;

/// Adds lanes up in a fixed tree.
#[inline(always)]
pub(crate) fn total(lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    let mut lanes = lanes;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `sum a b`.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_full, b_full) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_full.remainder().iter().zip(b_full.remainder());
    let rest: f32 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_full.zip(b_full) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    total(lanes) + rest
}

/// `sum x`.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let full = x.chunks_exact(LANES);
    let rest: f32 = full.remainder().iter().sum();
    for x in full {
        for i in 0..LANES {
            lanes[i] += x[i];
        }
    }
    total(lanes) + rest
}

/// The greatest number that isn't NaN; minus infinity if there is none.
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let full = x.chunks_exact(LANES);
    let rest = full.remainder().iter().copied().fold(f32::NEG_INFINITY, greater);
    for x in full {
        for i in 0..LANES {
            lanes[i] = greater(lanes[i], x[i]);
        }
    }
    lanes.into_iter().fold(rest, greater)
}

/// `sum x^2`.
#[inline(always)]
pub(crate) fn sum_of_squares(x: &[f32]) -> f32 {
    dot(x, x)
}
