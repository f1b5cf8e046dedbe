//! Importance weights `rho = exp(log_ratio)`, bounded.
//!
//! ```text
//! token      rho_t = exp(log_ratio_t)
//! sequence   rho_t = exp(sum_s(mask_s log_ratio_s))      the same for all tokens of a row
//! truncate   rho = clip(rho, min, max)
//! mask       rho = 0 outside [min, max]
//! ```
//!
//! "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training" (2025). TRL has the four
//! combinations as `token_truncate` and so on, of which `sequence_mask` with 3 is its default;
//! OpenRLHF `tis` (token, truncate, [0.5, 5]) and `icepop` (token, mask); verl truncates at 2 from
//! above only, clamps log-ratios at 20, and may divide by the mean weight of the step.

use super::seen;
use crate::GrpoError;
use serde::{Deserialize, Serialize};

/// What one weight covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportanceLevel {
    /// Each token has its own.
    #[default]
    Token,
    /// A row's tokens share the product of theirs.
    Sequence,
}

/// What becomes of weights beyond the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportanceBound {
    /// They are the bound.
    #[default]
    Truncate,
    /// They are 0.
    Mask,
}

/// Settings of importance weights.
///
/// ```
/// use refire_grpo::correction::{Importance, ImportanceBound};
/// let config = Importance { bound: ImportanceBound::Mask, max: Some(2.0), ..Default::default() };
/// let weights = config.weights(&[vec![0.0, 3.0, 9.9]], &[vec![true, true, false]])?;
/// assert_eq!(weights, [[1.0, 0.0, 1.0]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Importance {
    /// What one weight covers.
    pub level: ImportanceLevel,
    /// What becomes of weights beyond the bounds.
    pub bound: ImportanceBound,
    /// Least weight.
    pub min: Option<f64>,
    /// Largest weight.
    pub max: Option<f64>,
    /// Log-ratios (their sum for sequences) are clamped to plus or minus this beforehand.
    pub log_ratio_clamp: Option<f64>,
    /// Divide by the mean weight of the step: over tokens, or over rows that have any.
    pub normalize: bool,
}

impl Default for Importance {
    /// Truncated importance sampling as verl has it: per token, at most 2, log-ratios within 20.
    fn default() -> Self {
        Self {
            level: ImportanceLevel::Token,
            bound: ImportanceBound::Truncate,
            min: None,
            max: Some(2.0),
            log_ratio_clamp: Some(20.0),
            normalize: false,
        }
    }
}

impl Importance {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let min = self.min.is_none_or(|min| min.is_finite() && min >= 0.0);
        let above = |max: f64| max.is_finite() && max > self.min.unwrap_or(0.0);
        let max = self.max.is_none_or(above);
        let clamp = self.log_ratio_clamp.is_none_or(|c| c.is_finite() && c > 0.0);
        let show = |x: Option<f64>| x.unwrap_or_default();
        [
            GrpoError::unless(min, "importance.min", show(self.min), "0 or a positive number"),
            GrpoError::unless(max, "importance.max", show(self.max), "above importance.min"),
            GrpoError::unless(
                clamp,
                "importance.log_ratio_clamp",
                show(self.log_ratio_clamp),
                "a positive number",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// One weight per token, 1 where masked.
    ///
    /// # Errors
    /// When `log_ratio` and `mask` don't fit each other.
    pub fn weights(
        &self,
        log_ratio: &[Vec<f64>],
        mask: &[Vec<bool>],
    ) -> Result<Vec<Vec<f64>>, GrpoError> {
        GrpoError::same_shape("log_ratio", log_ratio, mask)?;
        let rows = log_ratio.iter().zip(mask);
        let mut weights: Vec<Vec<f64>> = rows.map(|(row, mask)| self.row(row, mask)).collect();
        if self.normalize {
            let mean = self.mean(&weights, mask);
            // Nothing left to share: leave the zeros as they are, as verl does.
            if mean > 1e-8 {
                for (row, mask) in weights.iter_mut().zip(mask) {
                    row.iter_mut().zip(mask).filter(|(_, m)| **m).for_each(|(w, _)| *w /= mean);
                }
            }
        }
        Ok(weights)
    }

    /// Each row's weight by itself, without normalising: one, from the sum over its tokens.
    ///
    /// ```
    /// use refire_grpo::correction::{Importance, ImportanceLevel};
    /// let config = Importance { level: ImportanceLevel::Sequence, ..Default::default() };
    /// assert_eq!(config.sequence_weight(&[0.5, -0.5], &[true, true]), 1.0);
    /// ```
    pub fn sequence_weight(&self, log_ratio: &[f64], mask: &[bool]) -> f64 {
        self.bounded(seen(log_ratio, mask).sum())
    }

    fn row(&self, log_ratio: &[f64], mask: &[bool]) -> Vec<f64> {
        let shared = self.sequence_weight(log_ratio, mask);
        let weight = |(ratio, seen): (&f64, &bool)| match (seen, self.level) {
            (false, _) => 1.0,
            (true, ImportanceLevel::Token) => self.bounded(*ratio),
            (true, ImportanceLevel::Sequence) => shared,
        };
        log_ratio.iter().zip(mask).map(weight).collect()
    }

    fn bounded(&self, log_ratio: f64) -> f64 {
        let rho = self.log_ratio_clamp.map_or(log_ratio, |c| log_ratio.clamp(-c, c)).exp();
        let (min, max) = (self.min.unwrap_or(f64::NEG_INFINITY), self.max.unwrap_or(f64::INFINITY));
        match self.bound {
            ImportanceBound::Truncate => rho.max(min).min(max),
            ImportanceBound::Mask if rho < min || rho > max => 0.0,
            ImportanceBound::Mask => rho,
        }
    }

    fn mean(&self, weights: &[Vec<f64>], mask: &[Vec<bool>]) -> f64 {
        let rows = weights.iter().zip(mask);
        let values: Vec<f64> = match self.level {
            ImportanceLevel::Token => rows.flat_map(|(row, mask)| seen(row, mask)).collect(),
            ImportanceLevel::Sequence => {
                rows.filter_map(|(row, mask)| seen(row, mask).next()).collect()
            }
        };
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }
}

/// Effective sample size as a fraction, `mean(w)^2 / mean(w^2)` over visible tokens: 1 where all
/// weights are equal; 0 without any.
///
/// ```
/// use refire_grpo::correction::effective_sample_size;
/// assert_eq!(effective_sample_size(&[vec![1.0, 0.0]], &[vec![true, true]])?, 0.5);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the columns don't fit each other.
pub fn effective_sample_size(weights: &[Vec<f64>], mask: &[Vec<bool>]) -> Result<f64, GrpoError> {
    GrpoError::same_shape("weights", weights, mask)?;
    let all = || weights.iter().zip(mask).flat_map(|(row, mask)| seen(row, mask));
    let (sum, squares): (f64, f64) = (all().sum(), all().map(|w| w * w).sum());
    Ok(if squares > 0.0 { sum * sum / (squares * all().count() as f64) } else { 0.0 })
}
