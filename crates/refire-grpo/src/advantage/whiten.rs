//! Whitening: advantages of all visible tokens to mean 0 and deviation 1.
//!
//! ```text
//! A <- (A - mean) / sqrt(max(var, floor) + eps)        over the visible tokens of the step
//! ```
//!
//! Long rows weigh more in it. verl divides the variance by `n - 1`, adds 1e-8 and 1e-8 to the
//! number of tokens, and fails at one token; OpenRLHF divides by `n` and has a floor of 1e-8. Here
//! fewer than two tokens have no spread and get 0. All of it belongs to the step: micro-batches
//! whitened by themselves would each have a gradient of their own.

use super::statistics::Deviation;
use crate::GrpoError;
use crate::loss::not_negative;
use serde::{Deserialize, Serialize};

/// Settings of whitening.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Whiten {
    /// What the variance is divided by.
    pub deviation: Deviation,
    /// Added to the variance.
    pub eps: f64,
    /// Least variance.
    pub floor: f64,
    /// Added to the number of tokens that the mean and the variance are divided by.
    pub count_eps: f64,
}

impl Default for Whiten {
    /// Sample variance with 1e-8 added, exact counts.
    fn default() -> Self {
        Self { deviation: Deviation::Sample, eps: 1e-8, floor: 0.0, count_eps: 0.0 }
    }
}

impl Whiten {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let some = self.eps > 0.0 || self.floor > 0.0;
        [
            not_negative("whiten.eps", self.eps),
            not_negative("whiten.floor", self.floor),
            not_negative("whiten.count_eps", self.count_eps),
            GrpoError::conflict(
                !some,
                "`whiten.eps` and `whiten.floor` are both 0, and equal advantages have no variance",
                "set one of them above 0",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The whitened values, 0 where masked.
    ///
    /// ```
    /// use refire_grpo::advantage::Whiten;
    /// let white = Whiten::default().apply(&[vec![1.0, 3.0, 99.0]], &[vec![true, true, false]])?;
    /// assert!((white[0][1] - 0.5_f64.sqrt()).abs() < 1e-6 && white[0][2] == 0.0);
    /// # Ok::<(), refire_grpo::GrpoError>(())
    /// ```
    ///
    /// # Errors
    /// When values and mask don't fit each other.
    pub fn apply(
        &self,
        values: &[Vec<f64>],
        mask: &[Vec<bool>],
    ) -> Result<Vec<Vec<f64>>, GrpoError> {
        GrpoError::same_shape("advantages", values, mask)?;
        let seen = || values.iter().flatten().zip(mask.iter().flatten()).filter(|(_, m)| **m);
        let count = seen().count() as f64;
        let mean = seen().map(|(v, _)| v).sum::<f64>() / (count + self.count_eps).max(1.0);
        let squares: f64 = seen().map(|(v, _)| (v - mean).powi(2)).sum();
        let variance = match self.deviation {
            Deviation::Sample => squares / (count + self.count_eps) * count / (count - 1.0),
            Deviation::Population => squares / (count + self.count_eps),
        };
        let scale = (variance.max(self.floor) + self.eps).sqrt().recip();
        let white = |(v, m): (&f64, &bool)| {
            if *m && count > 1.0 { (v - mean) * scale } else { 0.0 }
        };
        let rows = values.iter().zip(mask);
        Ok(rows.map(|(row, mask)| row.iter().zip(mask).map(white).collect()).collect())
    }
}
