use super::{bradley_terry, centring};
use crate::stable::constant;
use crate::{DpoError, error::unless};
use burn::tensor::Tensor;
use refire_core::Metric;
use refire_objective::Loss;
use serde::{Deserialize, Serialize};

/// Settings of [`RewardLoss`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardLossConfig {
    /// Weight of [`centring`], 0 or above; the default is 0, as in TRL.
    pub center_coefficient: f64,
}

impl RewardLossConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let (field, value) = ("center_coefficient", self.center_coefficient);
        let fine = value.is_finite() && value >= 0.0;
        unless(fine, field, value, "0 or a positive number").into_iter().collect()
    }

    /// The loss.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<RewardLoss, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(RewardLoss { config: *self })
    }
}

/// The Bradley-Terry loss of a step, for a trainer of reward models.
///
/// ```text
/// loss = mean over pairs of (-log sigmoid(s_w - s_l - margin) + c (s_w + s_l)^2)
/// ```
///
/// Metrics, by their names in TRL: `accuracy`, `margin`, `min_reward`, `mean_reward`, `max_reward`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::reward::RewardLossConfig;
/// let score = |x: f32| Tensor::<1>::from_data([x], &Device::flex());
/// let loss = RewardLossConfig::default().build()?;
/// let loss = loss.loss(score(1.0), score(0.0), Some(&[1.0]), 1.0)?;
/// assert!((loss.total.into_scalar::<f32>() - std::f32::consts::LN_2).abs() < 1e-6);
/// # Ok::<(), refire_dpo::DpoError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardLoss {
    config: RewardLossConfig,
}

impl RewardLoss {
    /// The settings.
    pub fn config(&self) -> &RewardLossConfig {
        &self.config
    }

    /// A micro-batch's share of the step's loss, from scores `[pairs]`; `step_pairs` counts the pairs
    /// of the whole step, so that shares add up to the mean over them.
    ///
    /// # Errors
    /// When scores and margins differ in length.
    pub fn loss(
        &self,
        chosen: Tensor<1>,
        rejected: Tensor<1>,
        margins: Option<&[f64]>,
        step_pairs: f64,
    ) -> Result<Loss, DpoError> {
        let pairs = chosen.dims()[0];
        let count = |what, found| {
            let expected = pairs;
            if found == expected { Ok(()) } else { Err(DpoError::Count { what, found, expected }) }
        };
        count("scores of rejected completions", rejected.dims()[0])?;
        margins.map_or(Ok(()), |margins| count("margins", margins.len()))?;
        if pairs == 0 {
            return Ok(Loss { total: chosen.sum() + rejected.sum(), metrics: Vec::new() });
        }
        let metrics = metrics(&chosen, &rejected);
        let margins = margins.map(|margins| constant(margins.to_vec(), &chosen));
        let mut loss = bradley_terry(chosen.clone(), rejected.clone(), margins);
        if self.config.center_coefficient != 0.0 {
            loss = loss + centring(chosen, rejected) * self.config.center_coefficient;
        }
        Ok(Loss { total: loss.sum() * step_pairs.max(1.0).recip(), metrics })
    }
}

fn metrics(chosen: &Tensor<1>, rejected: &Tensor<1>) -> Vec<Metric> {
    let scores = Tensor::cat(vec![chosen.clone().detach(), rejected.clone().detach()], 0);
    let scores: Vec<f64> = scores.into_data().iter::<f64>().collect();
    let (chosen, rejected) = scores.split_at(scores.len() / 2);
    let pairs = chosen.len() as f64;
    let won = chosen.iter().zip(rejected).filter(|(w, l)| w > l).count() as f64;
    let margin: f64 = chosen.iter().zip(rejected).map(|(w, l)| w - l).sum();
    vec![
        Metric::mean("accuracy", won, pairs),
        Metric::mean("margin", margin, pairs),
        Metric::min("min_reward", scores.iter().copied().fold(f64::INFINITY, f64::min)),
        Metric::mean("mean_reward", scores.iter().sum(), 2.0 * pairs),
        Metric::max("max_reward", scores.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
    ]
}
