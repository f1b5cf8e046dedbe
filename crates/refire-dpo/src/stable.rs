//! Functions that overflow when they are written as their formula says, in forms that don't: value
//! and slope are each computed from what is finite.

use burn::tensor::{DType, Int, Tensor, TensorData};

/// `value` with the derivative `slope` with respect to `x`, both given as constants.
///
/// Adding `slope (x - stop(x))` adds nothing to the value and `slope` to the gradient.
pub(crate) fn with_slope(x: Tensor<1>, value: Tensor<1>, slope: Tensor<1>) -> Tensor<1> {
    value + slope * (x.clone() - x.detach())
}

/// `1 / (1 + exp(-x))`, accurate at both ends in value and slope.
pub(crate) fn sigmoid(x: Tensor<1>) -> Tensor<1> {
    let at = x.clone().detach();
    let small = at.clone().abs().neg().exp();
    let denominator = small.clone() + 1.0;
    let slope = small.clone() / (denominator.clone() * denominator);
    with_slope(x, sigmoid_value(at, small), slope)
}

/// `log(1 / (1 + exp(-x)))`: about `x` far below 0, where the logarithm would be minus infinity.
pub(crate) fn log_sigmoid(x: Tensor<1>) -> Tensor<1> {
    let at = x.clone().detach();
    let small = at.clone().abs().neg().exp();
    let value = at.clone().clamp_max(0.0) - small.clone().log1p();
    with_slope(x, value, sigmoid_value(at.neg(), small))
}

/// The sigmoid from `small = exp(-|x|)`.
fn sigmoid_value(x: Tensor<1>, small: Tensor<1>) -> Tensor<1> {
    let share = (small.clone() + 1.0).recip();
    (small * share.clone()).mask_where(x.greater_equal_scalar(0.0), share)
}

/// `exp(x)`, and from a bound on its tangent there: finite, rising and convex everywhere.
pub(crate) fn bounded_exp(x: Tensor<1>) -> Tensor<1> {
    let cap = exponent_cap(x.dtype());
    let at = x.clone().detach();
    let slope = at.clone().clamp_max(cap).exp();
    let value = slope.clone() * (at.sub_scalar(cap).clamp_min(0.0) + 1.0);
    with_slope(x, value, slope)
}

/// Exponents from which [`bounded_exp`] is straight: a product of two such values with inputs up to
/// 1e4 is still finite.
fn exponent_cap(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 300.0,
        DType::F16 => 4.0,
        _ => 30.0,
    }
}

/// `log(1 - exp(x))` for `x < 0`; from a hair below 0 on its tangent, where the function itself
/// goes to minus infinity.
pub(crate) fn log1mexp(x: Tensor<1>) -> Tensor<1> {
    let nearest = nearest_to_zero(x.dtype());
    let at = x.clone().detach();
    let inside = at.clone().clamp_max(nearest);
    let gap = neg_expm1(inside.clone());
    let slope = (inside.clone().exp() / gap.clone()).neg();
    let far = inside.clone().exp().neg().log1p();
    let value = far.mask_where(inside.clone().greater_scalar(-std::f64::consts::LN_2), gap.log());
    let value = value + slope.clone() * (at - inside);
    with_slope(x, value, slope)
}

fn nearest_to_zero(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => -1e-12,
        DType::F16 => -1e-3,
        _ => -1e-6,
    }
}

/// `1 - exp(x)` for `x < 0` without cancellation: Kahan's `(1 - u) x / log u` with `u = exp(x)`.
fn neg_expm1(x: Tensor<1>) -> Tensor<1> {
    let u = x.clone().exp();
    let plain = u.clone().neg() + 1.0;
    let near = x.clone().greater_scalar(-std::f64::consts::LN_2);
    // Far from 0 nothing cancels, and log u may be minus infinity.
    let log_u = u.clone().log().mask_fill(near.clone().bool_not(), -1.0);
    let corrected = plain.clone() * x.clone() / log_u;
    // Where u rounds to 1 the answer is -x.
    let corrected = corrected.mask_where(u.equal_scalar(1.0), x.neg());
    plain.mask_where(near, corrected)
}

/// `x^2`.
pub(crate) fn square(x: Tensor<1>) -> Tensor<1> {
    x.clone() * x
}

/// `max(x, 0)` with gradient 0 at 0, as in PyTorch.
pub(crate) fn relu(x: Tensor<1>) -> Tensor<1> {
    let off = x.clone().detach().lower_equal_scalar(0.0);
    x.mask_fill(off, 0.0)
}

/// `log sum exp` of all elements, `[1]`.
pub(crate) fn log_sum_exp(x: Tensor<1>) -> Tensor<1> {
    let max = x.clone().detach().max();
    (x - max.clone()).exp().sum().log() + max
}

/// The elements at these places, in this order.
pub(crate) fn pick(x: &Tensor<1>, places: &[usize]) -> Tensor<1> {
    let places: Vec<i64> = places.iter().map(|place| *place as i64).collect();
    let n = places.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [n]), &x.device());
    x.clone().select(0, places)
}

/// Host numbers on the device and in the format of `like`.
pub(crate) fn constant(values: Vec<f64>, like: &Tensor<1>) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), (&like.device(), like.dtype()))
}

/// Detached values on the host.
pub(crate) fn host(x: &Tensor<1>) -> Vec<f64> {
    x.clone().detach().into_data().iter::<f64>().collect()
}

/// Places of the values in rising order; equal ones stay in order.
pub(crate) fn rising(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn at(x: f64, f: fn(Tensor<1>) -> Tensor<1>) -> (f64, f64) {
        let device = Device::flex().autodiff();
        let x = Tensor::<1>::from_data(TensorData::new(vec![x], [1]), (&device, DType::F64))
            .require_grad();
        let y = f(x.clone());
        let slope = x.grad(&y.backward()).unwrap();
        (y.into_data().iter::<f64>().next().unwrap(), slope.into_data().iter().next().unwrap())
    }

    fn close(found: (f64, f64), expected: (f64, f64)) {
        for (a, b) in [(found.0, expected.0), (found.1, expected.1)] {
            assert!((a - b).abs() <= 1e-14 * b.abs(), "{found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn the_sigmoid_and_its_logarithm_keep_their_tails() {
        close(at(0.0, sigmoid), (0.5, 0.25));
        close(at(-700.0, sigmoid), ((-700.0_f64).exp(), (-700.0_f64).exp()));
        close(at(50.0, sigmoid), (1.0, (-50.0_f64).exp()));
        close(at(0.0, log_sigmoid), (-std::f64::consts::LN_2, 0.5));
        close(at(-1e4, log_sigmoid), (-1e4, 1.0));
        close(at(100.0, log_sigmoid), (-(-100.0_f64).exp(), (-100.0_f64).exp()));
        close(at(1e4, log_sigmoid), (0.0, 0.0));
    }

    #[test]
    fn log1mexp_is_accurate_on_both_branches_and_straight_at_zero() {
        let exact = |x: f64| ((-x.exp_m1()).ln(), x.exp() / x.exp_m1());
        for x in [-1e-11, -1e-6, -0.3, -std::f64::consts::LN_2, -0.8, -5.0] {
            close(at(x, log1mexp), exact(x));
        }
        close(at(-50.0, log1mexp), (-(-50.0_f64).exp(), -(-50.0_f64).exp()));
        let (value, slope) = at(0.0, log1mexp);
        assert!((-29.0..-28.0).contains(&value) && slope < -9e11, "{value} {slope}");
        assert_eq!(at(-1e4, log1mexp), (0.0, 0.0));
    }

    #[test]
    fn the_bounded_exponential_rises_without_end() {
        close(at(2.0, bounded_exp), (2.0_f64.exp(), 2.0_f64.exp()));
        let cap = 300.0_f64.exp();
        close(at(301.0, bounded_exp), (2.0 * cap, cap));
        assert!(at(1e4, bounded_exp).0.is_finite());
    }
}
