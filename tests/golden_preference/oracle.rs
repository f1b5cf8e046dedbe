//! The losses of pairs once more, as plain numbers with a slope: what we claim to return where the
//! peer's answer is no number.

use std::ops::{Add, Mul, Neg, Sub};

/// From here on the peer's `exp` is infinite.
pub(crate) const OVERFLOW: f64 = 709.78;
/// From here on ours is straight.
const BOUND: f64 = 300.0;

/// A value and its derivative with respect to one input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dual {
    pub(crate) value: f64,
    pub(crate) slope: f64,
}

impl Dual {
    pub(crate) fn constant(value: f64) -> Self {
        Self { value, slope: 0.0 }
    }

    pub(crate) fn input(value: f64) -> Self {
        Self { value, slope: 1.0 }
    }

    fn through(self, value: f64, slope: f64) -> Self {
        Self { value, slope: slope * self.slope }
    }

    /// `exp`, on its tangent from the bound on.
    pub(crate) fn exp(self) -> Self {
        let slope = self.value.min(BOUND).exp();
        self.through(slope * (1.0 + (self.value - BOUND).max(0.0)), slope)
    }

    /// `exp(min(x, cap))`, without a slope beyond.
    pub(crate) fn capped_exp(self, cap: f64) -> Self {
        let value = self.value.min(cap).exp();
        self.through(value, if self.value < cap { value } else { 0.0 })
    }

    /// `log(1 + exp(x))`.
    pub(crate) fn softplus(self) -> Self {
        self.through(softplus(self.value), sigmoid(self.value))
    }

    pub(crate) fn sigmoid(self) -> Self {
        let value = sigmoid(self.value);
        self.through(value, value * sigmoid(-self.value))
    }

    pub(crate) fn relu(self) -> Self {
        self.through(self.value.max(0.0), f64::from(u8::from(self.value > 0.0)))
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, slope: self.slope + other.slope }
    }
}

impl Add<f64> for Dual {
    type Output = Self;
    fn add(self, other: f64) -> Self {
        Self { value: self.value + other, ..self }
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let slope = self.slope * other.value + self.value * other.slope;
        Self { value: self.value * other.value, slope }
    }
}

impl Mul<f64> for Dual {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self { value: self.value * factor, slope: self.slope * factor }
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// What losses of a pair read beside the scores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) lengths: [f64; 2],
    pub(crate) beta: f64,
    pub(crate) label_smoothing: f64,
    pub(crate) tau: f64,
}

/// The loss of a pair by its name in TRL, from the chosen log-ratio and both scores; `None` for
/// losses that need the whole batch.
pub(crate) fn pair_loss(kind: &str, r_w: Dual, [w, l]: [Dual; 2], of: &Settings) -> Option<Dual> {
    let Settings { lengths, beta, label_smoothing: e, tau } = *of;
    let [n_w, n_l] = lengths.map(|n| n.max(1.0).recip());
    let u = (w - l) * beta;
    let square = |x: Dual| x * x;
    Some(match kind {
        "sigmoid" => (-u).softplus(),
        "hinge" => (-u + 1.0).relu(),
        "ipo" => square(w * n_w - l * n_l + -0.5 / beta),
        "exo_pair" => {
            u.sigmoid() * (-(-u).softplus() + -(-e).ln_1p())
                + (-u).sigmoid() * (-u.softplus() + -e.ln())
        }
        "nca_pair" => {
            (w * -beta).softplus() + ((w * beta).softplus() + (l * beta).softplus()) * 0.5
        }
        "robust" => ((-u).softplus() * (1.0 - e) - u.softplus() * e) * (1.0 - 2.0 * e).recip(),
        "bco_pair" => (w * -beta).softplus() + (l * beta).softplus(),
        "sppo_hard" => square(w + -0.5 / beta) + square(l + 0.5 / beta),
        "apo_down" => (r_w * beta).sigmoid() + (-u).sigmoid(),
        "discopop" => {
            let v = u * tau.recip();
            (-v).sigmoid() * (-u).softplus() + (-(-v).softplus() - u).exp()
        }
        "sigmoid_norm" => ((w * n_w - l * n_l) * -beta).softplus(),
        _ => return None,
    })
}
