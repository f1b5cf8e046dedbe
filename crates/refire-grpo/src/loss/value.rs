//! A critic's loss: squared error, with PPO's clip of how far values move.
//!
//! ```text
//! V'   = V_old + clip(V - V_old, -range, range)
//! loss = coef max((V - R)^2, (V' - R)^2)
//! ```
//!
//! Schulman et al., "Proximal Policy Optimization" (2017), as verl and OpenRLHF compute it: 1/2,
//! range 0.5. Without a range it is the plain squared error.

use super::surrogate::positive;
use crate::GrpoError;
use burn::tensor::Tensor;
use refire_core::Metric;
use refire_objective::{Aggregation, Counts, Loss, ObjectiveError, Targets};
use serde::{Deserialize, Serialize};

/// The name in errors.
const NAME: &str = "value_loss";

/// Settings of [`ValueLoss`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValueLossConfig {
    /// How far values may move from where the step began; none for no clip.
    pub clip_range: Option<f64>,
    /// Factor on the squared error.
    pub coef: f64,
    /// How tokens become one number.
    pub aggregation: Aggregation,
}

impl Default for ValueLossConfig {
    /// verl and OpenRLHF: range 0.5, factor 1/2, mean over tokens.
    fn default() -> Self {
        Self { clip_range: Some(0.5), coef: 0.5, aggregation: Aggregation::TokenMean }
    }
}

impl ValueLossConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let range = self.clip_range.and_then(|range| positive("value_loss.clip_range", range));
        let coef = positive("value_loss.coef", self.coef);
        let aggregation = self.aggregation.validate().into_iter().map(GrpoError::Objective);
        range.into_iter().chain(coef).chain(aggregation).collect()
    }

    /// The loss.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<ValueLoss, GrpoError> {
        GrpoError::collect(self.validate())?;
        Ok(ValueLoss { config: *self })
    }
}

/// The squared error per token, `[batch, time]`, before its factor.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::value_loss;
/// let device = Device::flex();
/// let one = |x: f32| Tensor::<2>::from_data([[x]], &device);
/// // It moved from 0 to 2, towards the return of 3: beyond the range it counts as 0.5.
/// let loss = value_loss(one(2.0), one(0.0), one(3.0), Some(0.5));
/// assert_eq!(loss.into_scalar::<f32>(), 6.25);
/// ```
pub fn value_loss(
    values: Tensor<2>,
    old_values: Tensor<2>,
    returns: Tensor<2>,
    clip_range: Option<f64>,
) -> Tensor<2> {
    let square = |values: Tensor<2>| {
        let gap = values - returns.clone();
        gap.clone() * gap
    };
    match clip_range {
        Some(range) => {
            let moved = (values.clone() - old_values.clone()).clamp(-range, range);
            square(values).max_pair(square(old_values + moved))
        }
        None => square(values),
    }
}

/// A critic's loss on whole micro-batches.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::ValueLossConfig;
/// use refire_objective::{Counts, Targets};
/// let device = Device::flex().autodiff();
/// let values = Tensor::<2>::from_data([[1.0, 9.0]], &device).require_grad();
/// let mut targets = Targets::new(Tensor::from_data([[1.0, 0.0]], &device));
/// targets.values = Some(values.clone().detach());
/// targets.returns = Some(Tensor::from_data([[3.0, f32::NAN]], &device));
/// let critic = ValueLossConfig::default().build()?;
/// let loss = critic.loss(values.clone(), &targets, &Counts::of([[true, false]], 1))?;
/// let gradient = values.grad(&loss.total.backward()).expect("a leaf");
/// assert_eq!(gradient.into_data().to_vec::<f32>()?, [-2.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueLoss {
    config: ValueLossConfig,
}

impl ValueLoss {
    /// The settings.
    pub fn config(&self) -> &ValueLossConfig {
        &self.config
    }

    /// The loss of `values` `[rows, time]` against `targets.returns`, with `targets.values` as the
    /// values when the step began. What stands at masked positions has no influence. Metrics, by
    /// verl's names: `critic/vf_loss`, `critic/vf_clipfrac` (tokens whose clipped error is the
    /// larger one), `critic/vpred_mean`.
    ///
    /// # Errors
    /// When a column is missing or has another shape.
    pub fn loss(
        &self,
        values: Tensor<2>,
        targets: &Targets,
        counts: &Counts,
    ) -> Result<Loss, ObjectiveError> {
        let mask = targets.mask.clone();
        let expected = mask.dims();
        let visible = |what: &'static str, column: Tensor<2>| {
            let found = column.dims();
            if found == expected {
                Ok(column.mask_fill(mask.clone().equal_scalar(0.0), 0.0))
            } else {
                let (found, expected) = (found.to_vec(), expected.to_vec());
                Err(ObjectiveError::Shape { what, found, expected })
            }
        };
        let require = |column, name| Targets::require(column, name, NAME).cloned();
        let returns = visible("returns", require(&targets.returns, "returns")?)?;
        let values = visible("values", values)?;
        if expected[0] == 0 {
            return Ok(Loss { total: values.sum(), metrics: Vec::new() });
        }
        let old = match self.config.clip_range {
            Some(_) => visible("old values", require(&targets.values, "values")?)?,
            None => values.clone().detach(),
        };
        let per_token =
            value_loss(values.clone(), old.clone(), returns.clone(), self.config.clip_range);
        let plain = value_loss(values.clone(), old, returns, None);
        let clipped = per_token.clone().greater(plain).float().cast(mask.dtype()) * mask.clone();
        let total = self.config.aggregation.reduce(
            per_token * self.config.coef,
            mask.clone(),
            Some(counts),
        );
        let sums = [clipped.sum(), (values * mask.clone()).sum(), mask.sum(), total.clone()];
        let sums = Tensor::cat(sums.map(Tensor::inner).to_vec(), 0);
        let sums: Vec<f64> = sums.into_data().iter::<f64>().collect();
        let [clipped, values, tokens, loss] = sums[..] else {
            return Ok(Loss { total, metrics: Vec::new() });
        };
        let share = tokens / counts.tokens.max(1.0);
        let metrics = vec![
            Metric::mean("critic/vf_loss", loss, share),
            Metric::mean("critic/vf_clipfrac", clipped, tokens),
            Metric::mean("critic/vpred_mean", values, tokens),
        ];
        Ok(Loss { total, metrics })
    }
}
