//! Rounding to few bits that gradients pass straight through.

use super::hadamard::Rotation;
use burn::tensor::Tensor;

/// A grid of `2^bits` steps, and how much of the range it covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    pub(crate) bits: u32,
    /// Share of the largest values that the grid reaches; what lies beyond is cut off.
    pub(crate) clip: f64,
}

/// What a linear map rounds in its product.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rounding {
    pub(crate) weight: Option<Grid>,
    pub(crate) input: Option<Grid>,
    /// A rotation of the inputs that their producer doesn't make; the weight has it already.
    pub(crate) online: Option<Rotation>,
}

impl Rounding {
    /// `Q(x R) Q(W)^T`, `[n, out]`.
    pub(crate) fn product(&self, x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
        let x = match &self.online {
            Some(rotation) => rotation.apply(x),
            None => x,
        };
        let x = match self.input {
            Some(grid) => grid.inputs(x),
            None => x,
        };
        x.matmul(self.rounded(weight).transpose())
    }

    /// A weight as the product reads it.
    pub(crate) fn rounded(&self, weight: Tensor<2>) -> Tensor<2> {
        match self.weight {
            Some(grid) => grid.weights(weight),
            None => weight,
        }
    }

    /// One token's inputs on the host as the product reads them, in place.
    pub(crate) fn round_row(&self, row: &mut [f32]) {
        if let Some(rotation) = &self.online {
            rotation.apply_to_row(row);
        }
        if let Some(grid) = self.input {
            grid.round_row(row);
        }
    }
}

impl Grid {
    /// A weight `[out, in]` on a grid of its own for each row, symmetric about 0.
    pub(crate) fn weights(self, weight: Tensor<2>) -> Tensor<2> {
        let plain = weight.clone().inner();
        let last = f64::from((1_u32 << (self.bits - 1)) - 1);
        let largest = plain.clone().abs().max_dim(1).clamp_min(f32::MIN_POSITIVE);
        let step = largest * (self.clip / last);
        let codes = (plain / step.clone()).round();
        straight_through(weight, codes, [-last - 1.0, last], |codes| codes * step)
    }

    /// Inputs `[n, in]` on a grid of its own for each token, from the least to the largest of its
    /// numbers and with 0 on it.
    pub(crate) fn inputs(self, x: Tensor<2>) -> Tensor<2> {
        let plain = x.clone().inner();
        let last = f64::from((1_u32 << self.bits) - 1);
        let low = plain.clone().min_dim(1).clamp_max(0.0) * self.clip;
        let high = plain.clone().max_dim(1).clamp_min(0.0) * self.clip;
        let step = ((high - low.clone()) / last).clamp_min(f32::MIN_POSITIVE);
        let zero = (low / step.clone()).neg().round();
        let codes = (plain / step.clone()).round() + zero.clone();
        straight_through(x, codes, [0.0, last], |codes| (codes - zero) * step)
    }

    /// [`inputs`](Self::inputs) of one token on the host, in place.
    fn round_row(self, row: &mut [f32]) {
        let (last, clip) = (((1_u32 << self.bits) - 1) as f32, self.clip as f32);
        let low = row.iter().fold(0.0_f32, |low, x| low.min(*x)) * clip;
        let high = row.iter().fold(0.0_f32, |high, x| high.max(*x)) * clip;
        let step = ((high - low) / last).max(f32::MIN_POSITIVE);
        let zero = (-(low / step)).round_ties_even();
        for x in row {
            *x = (((*x / step).round_ties_even() + zero).clamp(0.0, last) - zero) * step;
        }
    }
}

/// The values of codes that are held within their range; the gradient is that of `x`, and 0 where
/// a code was cut off.
fn straight_through(
    x: Tensor<2>,
    codes: Tensor<2>,
    [first, last]: [f64; 2],
    values: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    let held = codes.clone().clamp(first, last);
    let rounded = values(held.clone());
    if !x.is_autodiff() {
        return rounded;
    }
    let within = codes.equal(held).float().cast(rounded.dtype());
    let rest = rounded - x.clone().inner() * within.clone();
    x * Tensor::from_inner(within) + Tensor::from_inner(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const FOUR: Grid = Grid { bits: 4, clip: 1.0 };

    fn row(values: [f32; 6]) -> Tensor<2> {
        Tensor::from_data([values], &Device::flex())
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn weights_lie_on_sixteen_steps_about_0() {
        let found = values(FOUR.weights(row([7.0, -7.0, 3.4, -3.6, 0.4, 0.0])));
        assert_eq!(found, [7.0, -7.0, 3.0, -4.0, 0.0, 0.0]);
        assert_eq!(values(FOUR.weights(row([0.0; 6]))), [0.0; 6]);
    }

    #[test]
    fn inputs_lie_on_sixteen_steps_from_the_least_to_the_largest() {
        let found = values(FOUR.inputs(row([-5.0, 10.0, 3.4, -3.6, 0.4, 0.0])));
        assert_eq!(found, [-5.0, 10.0, 3.0, -4.0, 0.0, 0.0]);
        // 0 stays on the grid of numbers that all have one sign.
        let found = values(FOUR.inputs(row([15.0, 7.4, 3.0, 1.0, 1.2, 14.0])));
        assert_eq!(found, [15.0, 7.0, 3.0, 1.0, 1.0, 14.0]);
        assert_eq!(values(FOUR.inputs(row([0.0; 6]))), [0.0; 6]);
    }

    #[test]
    fn gradients_pass_straight_through_and_stop_where_values_are_cut_off() {
        let half = Grid { bits: 4, clip: 0.5 };
        let gradient = |round: &dyn Fn(Tensor<2>) -> Tensor<2>, x: [f32; 6]| {
            let x = Tensor::from_inner(row(x)).require_grad();
            let factors = Tensor::from_inner(row([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
            let y = round(x.clone());
            let grads = (y.clone() * factors).sum().backward();
            (values(y.inner()), values(x.grad(&grads).unwrap()))
        };
        let x = [14.0, -14.0, 3.4, -3.6, 0.4, 0.0];
        let (found, slopes) = gradient(&|x| half.weights(x), x);
        assert_eq!(found, [7.0, -8.0, 3.0, -4.0, 0.0, 0.0]);
        assert_eq!(slopes, [0.0, 0.0, 3.0, 4.0, 5.0, 6.0]);
        let (_, slopes) = gradient(&|x| half.inputs(x), [20.0, -10.0, 3.4, -3.6, 0.4, 0.0]);
        assert_eq!(slopes, [0.0, 0.0, 3.0, 4.0, 5.0, 6.0]);
        let (_, slopes) = gradient(&|x| FOUR.inputs(x), [10.0, -5.0, 3.4, -3.6, 0.4, 0.0]);
        assert_eq!(slopes, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
