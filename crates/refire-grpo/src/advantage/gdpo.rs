//! GDPO: several rewards, each normalised within its group before they are added.
//!
//! ```text
//! z_ik = (R_ik - mean_group,k) / (std_group,k + eps)
//! S_i  = sum_k w_k z_ik
//! A_i  = (S_i - mean_step S) / (std_step S + eps)
//! ```
//!
//! "GDPO" (arXiv 2601.05242); TRL's `normalize_then_sum`. A sum of raw rewards lets the one with
//! the largest spread decide; here each has its say by its weight. A row that some rewards gave
//! no value counts with the others, a row that none gave a value leaves the statistics.

use super::statistics::{Deviation, Statistics, by_group, check};
use super::view::groups;
use super::weighted_sum;
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Score, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// A named part of the score and its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartWeight {
    /// Name of the part.
    pub name: String,
    /// Its weight.
    pub weight: f64,
}

/// Settings of [`gdpo`]; an [`Advantage`] by itself, which reads the named parts of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gdpo {
    /// The parts, at least one. A score may lack some of them, not all.
    pub parts: Vec<PartWeight>,
    /// Added to both standard deviations.
    pub eps: f64,
}

impl Default for Gdpo {
    /// TRL 1.16: eps 1e-4. The parts have to be named.
    fn default() -> Self {
        Self { parts: Vec::new(), eps: 1e-4 }
    }
}

impl Gdpo {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let named = !self.parts.is_empty();
        let finite = self.parts.iter().all(|p| p.weight.is_finite());
        let eps = self.eps.is_finite() && self.eps > 0.0;
        let weights = || format!("{:?}", self.parts.iter().map(|p| p.weight).collect::<Vec<_>>());
        [
            GrpoError::unless(named, "advantage.parts", "empty", "at least one part"),
            GrpoError::unless(finite, "advantage.parts", weights(), "finite weights"),
            GrpoError::unless(eps, "advantage.eps", self.eps, "a positive number"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn part(&self, score: &Score, name: &str, row: usize) -> Result<Option<f64>, GrpoError> {
        let Score::Value { parts, .. } = score else { return Ok(None) };
        if !parts.iter().any(|(found, _)| self.parts.iter().any(|p| p.name == *found)) {
            let expected = self.parts.iter().map(|p| p.name.clone()).collect();
            let found = parts.iter().map(|(name, _)| name.clone()).collect();
            return Err(GrpoError::MissingPart { row, expected, found });
        }
        Ok(score.part(name))
    }
}

/// One advantage per row; `parts[k][i]` is reward `k` of row `i`, siblings share a number in
/// `groups`.
///
/// ```
/// use refire_grpo::advantage::gdpo;
/// let (right, short) = (vec![Some(1.0), Some(0.0)], vec![Some(-900.0), Some(-100.0)]);
/// // Each reward prefers another row; as z-scores they weigh the same.
/// let advantages = gdpo(&[right, short], &[1.0, 1.0], &[0, 0], 1e-4)?;
/// assert!(advantages.iter().all(|a| a.abs() < 1.0));
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists don't fit each other or a reward is not finite.
pub fn gdpo(
    parts: &[Vec<Option<f64>>],
    weights: &[f64],
    groups: &[usize],
    eps: f64,
) -> Result<Vec<f64>, GrpoError> {
    let normalised =
        parts.iter().map(|part| z_scores(part, groups, eps)).collect::<Result<Vec<_>, _>>()?;
    let sums = weighted_sum(&normalised, weights)?;
    let all = Statistics::of(sums.iter().flatten().copied(), Deviation::Sample);
    Ok(sums.iter().map(|sum| sum.map_or(0.0, |s| all.normalise(s, eps))).collect())
}

fn z_scores(
    part: &[Option<f64>],
    groups: &[usize],
    eps: f64,
) -> Result<Vec<Option<f64>>, GrpoError> {
    check(part, groups)?;
    let statistics = by_group(part, groups, Deviation::Sample);
    let z = |(reward, group): (&Option<f64>, &usize)| {
        Some(statistics.get(group)?.normalise((*reward)?, eps))
    };
    Ok(part.iter().zip(groups).map(z).collect())
}

impl Stateful for Gdpo {}

impl Advantage for Gdpo {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let column = |part: &PartWeight| {
            let rows = step.scores.iter().enumerate();
            rows.map(|(row, score)| self.part(score, &part.name, row)).collect()
        };
        let parts = self.parts.iter().map(column).collect::<Result<Vec<Vec<_>>, GrpoError>>()?;
        let weights: Vec<f64> = self.parts.iter().map(|p| p.weight).collect();
        Ok(Advantages::per_completion(gdpo(&parts, &weights, &groups(step), self.eps)?))
    }
}
