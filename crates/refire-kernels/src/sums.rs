//! Sums and the greatest of a slice, in partial results whose number is the same on every machine,
//! and so the result's bits. Loops without branches: inside `pulp::Arch::dispatch` they become
//! vectors of the machine's width. No fused operations.
//!
//! ```
//! use refire_kernels::sums::{max, sum};
//! let row = [1.0_f32, -2.0, 4.0];
//! assert_eq!(pulp::Arch::new().dispatch(|| (sum(&row), max(&row))), (3.0, 4.0));
//! ```

/// Partial results of a reduction.
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

/// `sum a b`, over as many numbers as the shorter slice has.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let shared = a.len().min(b.len());
    let (a, b) = (&a[..shared], &b[..shared]);
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
pub fn sum(x: &[f32]) -> f32 {
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
pub fn max(x: &[f32]) -> f32 {
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
pub fn sum_of_squares(x: &[f32]) -> f32 {
    dot(x, x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_any_length_are_read_whole() {
        for n in [0, 1, 3, 15, 16, 17, 257] {
            let x: Vec<f32> = (0..n).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
            let exact: f32 = x.iter().sum();
            let squares: f32 = x.iter().map(|x| x * x).sum();
            assert_eq!((sum(&x), sum_of_squares(&x)), (exact, squares), "{n}");
            let longer = [x.as_slice(), &[9.0; 20]].concat();
            assert_eq!((dot(&x, &longer), dot(&longer, &x)), (squares, squares), "{n}");
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{n}");
        }
    }

    #[test]
    fn what_is_no_number_is_passed_over_by_max_alone() {
        let mut x = [f32::NAN; 20];
        assert_eq!(max(&x), f32::NEG_INFINITY);
        (x[3], x[18]) = (-2.0, -7.0);
        assert_eq!(max(&x), -2.0);
        assert!(sum(&x).is_nan() && sum_of_squares(&x).is_nan());
    }
}
