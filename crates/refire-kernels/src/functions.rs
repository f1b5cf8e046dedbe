//! Functions of one number without branches: a loop over a slice that runs inside
//! `pulp::Arch::dispatch` becomes vectors of the machine's width, many times as fast as the
//! system's functions. No fused operations: the same bits on every machine, in a vector or alone.
//!
//! ```
//! use refire_kernels::functions::silu;
//! let mut row = [-1.0_f32, 0.0, 2.0];
//! pulp::Arch::new().dispatch(|| row.iter_mut().for_each(|x| *x = silu(*x)));
//! assert!((row[2] - 2.0 / (1.0 + (-2.0_f32).exp())).abs() < 1e-6);
//! ```

/// `e^x` within 2 units in the last place; 0 below -87.3, infinite above 88.37, NaN for NaN.
///
/// `e^x = 2^n e^r` with `n` the nearest integer to `x / ln 2`; `e^r` is Cephes' polynomial.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOW: f32 = -87.3;
    const HIGH: f32 = 88.37;
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first of few bits: its product with n is exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let held = if x < LOW { LOW } else { x };
    let held = if held > HIGH { HIGH } else { held };
    let shifted = held * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = held - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let e = p * r * r + r + 1.0;
    let y = e * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    let y = if x < LOW { 0.0 } else { y };
    if x > HIGH { f32::INFINITY } else { y }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `tanh x`: a polynomial near 0 (Cephes), where `1 - e` would cancel.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let e = exp(-2.0 * size);
    let far = (1.0 - e) / (1.0 + e);
    let far = if x < 0.0 { -far } else { far };
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 2.063_909e-2;
    let p = p * z - 5.373_971_6e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let near = p * z * x + x;
    if size < 0.625 { near } else { far }
}

/// `x / (1 + e^-x)`.
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// `sqrt(2 / pi)`.
pub(crate) const ROOT: f32 = 0.797_884_6;
pub(crate) const CUBIC: f32 = 0.044_715;

/// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(ROOT * (x + CUBIC * x * x * x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f32, exact: f64, relative: f64) -> bool {
        (f64::from(found) - exact).abs() <= relative * exact.abs().max(1e-37)
    }

    #[test]
    fn exp_is_exact_to_two_units_and_saturates() {
        for i in -87_300..88_370 {
            let x = i as f32 * 1e-3;
            assert!(close(exp(x), f64::from(x).exp(), 2.4e-7), "{x}: {}", exp(x));
        }
        assert_eq!([exp(-1e4), exp(f32::NEG_INFINITY), exp(0.0)], [0.0, 0.0, 1.0]);
        assert_eq!([exp(1e4), exp(f32::INFINITY)], [f32::INFINITY; 2]);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_and_tanh_are_exact_to_a_few_units_everywhere() {
        for i in -20_000..20_000 {
            let x = i as f32 * 1e-3;
            let exact = f64::from(x);
            assert!(close(sigmoid(x), 1.0 / (1.0 + (-exact).exp()), 4e-7), "{x}");
            assert!(close(tanh(x), exact.tanh(), 4e-7), "{x}: {}", tanh(x));
        }
        assert_eq!([sigmoid(-1e4), sigmoid(1e4), tanh(-1e4), tanh(1e4)], [0.0, 1.0, -1.0, 1.0]);
        assert!(sigmoid(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    }
}
