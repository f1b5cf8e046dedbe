//! Arithmetic on rows of logits, in loops without branches that become vectors of the machine's
//! width. No fused operations and a fixed number of partial sums: the same bits on every machine.

use pulp::Arch;
use refire_kernels::sums;

/// Partial sums of a reduction.
const LANES: usize = 16;

/// The greatest number of a row that isn't NaN; minus infinity if there is none.
pub(crate) fn largest(row: &[f32]) -> f32 {
    Arch::new().dispatch(
        #[inline(always)]
        || sums::max(row),
    )
}

/// Fills `weights` with `exp(x - max)` for the row's numbers `x`, none above `max`; gives their sum.
pub(crate) fn exponentials(row: &[f32], max: f64, weights: &mut [f64]) -> f64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (weight, x) in weights.iter_mut().zip(row) {
                *weight = exp(f64::from(*x) - max);
            }
            let mut lanes = [0.0; LANES];
            let parts = weights.chunks_exact(LANES);
            let rest: f64 = parts.remainder().iter().sum();
            for part in parts {
                for i in 0..LANES {
                    lanes[i] += part[i];
                }
            }
            lanes.iter().sum::<f64>() + rest
        },
    )
}

/// `e^x` for `x <= 0` within 2 units in the last place; 0 below -708, NaN for NaN.
///
/// `e^x = 2^n e^r` with `n` the nearest integer to `x / ln 2`; `e^r` is Taylor's polynomial, whose
/// error for `|r| <= ln 2 / 2` is below `4e-18`.
#[inline(always)]
fn exp(x: f64) -> f64 {
    const LOW: f64 = -708.0;
    // Adding 1.5 * 2^52 leaves the nearest integer in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // ln 2 in two parts, the first of 33 bits: its product with n is exact.
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    // 1/13!, 1/12!, … 1/2!.
    const TAYLOR: [f64; 12] = [
        1.605_904_383_682_161_5e-10,
        2.087_675_698_786_81e-9,
        2.505_210_838_544_172e-8,
        2.755_731_922_398_589_3e-7,
        2.755_731_922_398_589e-6,
        2.480_158_730_158_73e-5,
        1.984_126_984_126_984e-4,
        1.388_888_888_888_889e-3,
        8.333_333_333_333_333e-3,
        4.166_666_666_666_666_4e-2,
        1.666_666_666_666_666_6e-1,
        0.5,
    ];
    let held = if x < LOW { LOW } else { x };
    let shifted = held * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = held - n * LN2_HIGH - n * LN2_LOW;
    let mut p = TAYLOR[0];
    for c in &TAYLOR[1..] {
        p = p * r + c;
    }
    let e = p * r * r + r + 1.0;
    let y = e * f64::from_bits((shifted.to_bits() << 52).wrapping_add(0x3ff0_0000_0000_0000));
    if x < LOW { 0.0 } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_two_units_and_ends_in_zero() {
        for i in 0..708_000 {
            let x = f64::from(i) * -1e-3;
            assert!((exp(x) - x.exp()).abs() <= 4.5e-16 * x.exp(), "{x}: {}", exp(x));
        }
        assert_eq!([exp(0.0), exp(-0.0), exp(-1e4), exp(f64::NEG_INFINITY)], [1.0, 1.0, 0.0, 0.0]);
        assert!(exp(f64::NAN).is_nan());
    }

    #[test]
    fn rows_of_any_length_are_read_whole() {
        for n in [0, 1, 3, 16, 17, 257] {
            let row: Vec<f32> = (0..n).map(|i| (i * 37 % 101) as f32 * 0.1 - 5.0).collect();
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&row), max);
            let mut weights = vec![0.0; n];
            let total = exponentials(&row, f64::from(max), &mut weights);
            let exact: f64 = row.iter().map(|x| f64::from(x - max).exp()).sum();
            assert!((total - exact).abs() <= 1e-6 * exact, "{n}: {total} {exact}");
        }
        assert_eq!(largest(&[f32::NAN, -2.0, f32::NAN]), -2.0);
        assert!(exponentials(&[0.0, f32::NAN], 0.0, &mut [0.0; 2]).is_nan());
    }
}
