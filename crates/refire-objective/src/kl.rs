//! Estimators of the KL divergence from sampled tokens.
//!
//! With `u = logprobs - ref_logprobs`, both `[batch, time]`, and samples from the policy, each
//! estimates KL(policy || reference). See Schulman, "Approximating KL divergence" (2020).

use crate::ObjectiveError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Which estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// `u`: unbiased, may be negative; as a loss its expected gradient is zero.
    K1,
    /// `u^2 / 2`: biased value, unbiased gradient of the reverse KL on-policy.
    K2,
    /// `exp(-u) + u - 1`: unbiased and never negative; GRPO's.
    #[default]
    K3,
    /// `|u|`.
    Abs,
    /// Value of k1, gradient of k2: verl's `k1+`, which its release of January 2026 announces and
    /// doesn't compute.
    K1StraightThrough,
    /// Value of k3, gradient of k2: verl's `k3+`.
    K3StraightThrough,
}

impl KlEstimator {
    /// The estimate per token; gradients flow to both arguments that carry them.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_objective::KlEstimator;
    /// let device = Device::flex();
    /// let logprobs = Tensor::<2>::from_data([[-1.0, -2.0]], &device);
    /// let kl = KlEstimator::K3.per_token(logprobs.clone(), logprobs);
    /// assert_eq!(kl.sum().into_scalar::<f32>(), 0.0);
    /// ```
    pub fn per_token(self, logprobs: Tensor<2>, ref_logprobs: Tensor<2>) -> Tensor<2> {
        self.clamped(logprobs, ref_logprobs, KlClamp::NONE)
    }

    /// As [`per_token`](Self::per_token), bounded as the peers do. Outside a bound there is no
    /// gradient; that of the straight-through forms is not bounded.
    pub fn clamped(
        self,
        logprobs: Tensor<2>,
        ref_logprobs: Tensor<2>,
        clamp: KlClamp,
    ) -> Tensor<2> {
        let free = logprobs - ref_logprobs;
        let bounded = |value: Tensor<2>, bound: Option<f64>| match bound {
            Some(bound) => value.clamp(-bound, bound),
            None => value,
        };
        let k2 = |u: Tensor<2>| u.clone() * u * 0.5;
        let u = bounded(free.clone(), clamp.log_ratio);
        let value = match self {
            Self::K1 | Self::K1StraightThrough => u,
            Self::K2 => k2(u),
            Self::K3 | Self::K3StraightThrough => u.clone().neg().exp() + u - 1.0,
            Self::Abs => u.abs(),
        };
        let value = bounded(value, clamp.value);
        match self {
            Self::K1StraightThrough | Self::K3StraightThrough => {
                let slope = k2(free);
                slope.clone() - slope.detach() + value.detach()
            }
            _ => value,
        }
    }

    /// Value and `d value / d u` at one token, in plain numbers: what
    /// [`clamped`](Self::clamped) computes, for reports.
    ///
    /// ```
    /// use refire_objective::{KlClamp, KlEstimator};
    /// let (value, slope) = KlEstimator::K2.at(0.5, KlClamp::NONE);
    /// assert_eq!((value, slope), (0.125, 0.5));
    /// ```
    pub fn at(self, u: f64, clamp: KlClamp) -> (f64, f64) {
        let inside = |x: f64, bound: Option<f64>| bound.is_none_or(|b| x.abs() <= b);
        let bounded = |x: f64, bound: Option<f64>| bound.map_or(x, |b| x.clamp(-b, b));
        let x = bounded(u, clamp.log_ratio);
        let (value, slope) = match self {
            Self::K1 | Self::K1StraightThrough => (x, 1.0),
            Self::K2 => (x * x / 2.0, x),
            Self::K3 | Self::K3StraightThrough => ((-x).exp() + x - 1.0, 1.0 - (-x).exp()),
            Self::Abs => (x.abs(), if x == 0.0 { 0.0 } else { x.signum() }),
        };
        let free = inside(u, clamp.log_ratio) && inside(value, clamp.value);
        let slope = match self {
            Self::K1StraightThrough | Self::K3StraightThrough => u,
            _ if free => slope,
            _ => 0.0,
        };
        (bounded(value, clamp.value), slope)
    }
}

/// Bounds on an estimate, symmetric about 0. The default has none, as TRL.
///
/// verl bounds the log-ratio of k3 at 20 and its value at 10; OpenRLHF every estimate at 10.
///
/// ```
/// use refire_objective::KlClamp;
/// let clamp: KlClamp = serde_json::from_str(r#"{"value": 10.0}"#)?;
/// assert_eq!(clamp, KlClamp { log_ratio: None, value: Some(10.0) });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KlClamp {
    /// Bound on `u`.
    pub log_ratio: Option<f64>,
    /// Bound on the estimate.
    pub value: Option<f64>,
}

impl KlClamp {
    /// No bounds.
    pub const NONE: Self = Self { log_ratio: None, value: None };

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let fields = [("kl_clamp.log_ratio", self.log_ratio), ("kl_clamp.value", self.value)];
        let bad = fields.into_iter().filter_map(|(field, bound)| Some((field, bound?)));
        bad.filter(|(_, bound)| !(bound.is_finite() && *bound > 0.0))
            .map(|(field, bound)| ObjectiveError::OutOfRange {
                field,
                value: bound.to_string(),
                expected: "a positive number, or none for no bound",
            })
            .collect()
    }
}
