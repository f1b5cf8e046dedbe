//! Pass@k as the goal: the best of k counts.
//!
//! ```text
//! max        A = R_max - R_second at the best row of a group, 0 elsewhere; over (std + eps) if scaled
//! analytic   n rows, c right, mean and deviation of the best of k over all subsets:
//!            rho = 1 - C(n-c, k) / C(n, k),  sigma = sqrt(rho (1 - rho))
//!            A = (1 - rho) / sigma                                   where right
//!            A = (1 - rho - C(n-c-1, k-1) / C(n-1, k-1)) / sigma     where wrong
//! ```
//!
//! The maximum: verl's `grpo_passk` (arXiv 2503.19595). The closed form: "Pass@k Training" (arXiv
//! 2508.10751), which no library has; k is 4 to 8. A row is right if its reward is at least
//! `right_from`.

use super::statistics::{Deviation, Statistics, check, members};
use super::view::groups;
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// Settings of [`pass_at_k_max`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PassAtKMax {
    /// Divide by the deviation of the group.
    pub scale: bool,
    /// Added to the deviation.
    pub eps: f64,
}

impl Default for PassAtKMax {
    /// verl: scaled, eps 1e-6.
    fn default() -> Self {
        Self { scale: true, eps: 1e-6 }
    }
}

impl PassAtKMax {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        crate::loss::positive("advantage.eps", self.eps).into_iter().collect()
    }
}

/// Settings of [`pass_at_k`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PassAtK {
    /// Of how many the best counts.
    pub k: usize,
    /// Least reward of a right row.
    pub right_from: f64,
}

impl Default for PassAtK {
    /// k 4, and right from 0.5 on: 0/1 rewards.
    fn default() -> Self {
        Self { k: 4, right_from: 0.5 }
    }
}

impl PassAtK {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let right = self.right_from.is_finite();
        [
            GrpoError::unless(self.k > 0, "advantage.k", self.k, "at least 1"),
            GrpoError::unless(right, "advantage.right_from", self.right_from, "a finite number"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Scored rows of each group; an error where a group can't hold `expected` of them.
fn scored(
    rewards: &[Option<f64>],
    groups: &[usize],
    method: &'static str,
    expected: usize,
) -> Result<Vec<Vec<(usize, f64)>>, GrpoError> {
    check(rewards, groups)?;
    let group = |(group, rows): (usize, Vec<usize>)| {
        let found = rows.len();
        if found < expected {
            return Err(GrpoError::SmallGroup { method, group, found, expected });
        }
        Ok(rows.into_iter().filter_map(|row| Some((row, rewards[row]?))).collect())
    };
    members(groups).into_iter().map(group).collect()
}

/// One advantage per row. Ties have no best row. Groups of which fewer than two rows have a score
/// get 0.
///
/// ```
/// use refire_grpo::advantage::{PassAtKMax, pass_at_k_max};
/// let config = PassAtKMax { scale: false, ..PassAtKMax::default() };
/// let advantages = pass_at_k_max(&[0.2, 1.0, 0.5].map(Some), &[0; 3], &config)?;
/// assert_eq!(advantages, [0.0, 0.5, 0.0]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When a group has fewer than two rows, the lists differ in length or a reward is not finite.
pub fn pass_at_k_max(
    rewards: &[Option<f64>],
    groups: &[usize],
    config: &PassAtKMax,
) -> Result<Vec<f64>, GrpoError> {
    let mut advantages = vec![0.0; rewards.len()];
    for mut rows in scored(rewards, groups, "pass_at_k_max", 2)? {
        let values: Vec<f64> = rows.iter().map(|(_, reward)| *reward).collect();
        let std = Statistics::of(values.into_iter(), Deviation::Sample).std;
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        let [(best, first), (_, second), ..] = rows[..] else { continue };
        let scale = if config.scale { std + config.eps } else { 1.0 };
        advantages[best] = (first - second) / scale;
    }
    Ok(advantages)
}

/// `C(m, k) / C(n, k)` as a product that neither overflows nor cancels: the share of subsets of `k`
/// out of `n` that avoid `n - m` given ones.
fn avoiding(m: usize, n: usize, k: usize) -> f64 {
    if m < k {
        return 0.0;
    }
    (0..k).map(|i| (m - i) as f64 / (n - i) as f64).product()
}

/// One advantage per row, in closed form. Groups that are all right or all wrong get 0, and so do
/// those with fewer than `k` scores, of which no subset can be formed.
///
/// ```
/// use refire_grpo::advantage::{PassAtK, pass_at_k};
/// // k = 1 is the advantage of GRPO with the population's deviation.
/// let config = PassAtK { k: 1, ..PassAtK::default() };
/// let advantages = pass_at_k(&[1.0, 0.0, 0.0, 0.0].map(Some), &[0; 4], &config)?;
/// assert!((advantages[0] - 0.75 / 0.1875_f64.sqrt()).abs() < 1e-12);
/// assert!((advantages[1] + 0.25 / 0.1875_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When a group has fewer rows than `k`, the lists differ in length or a reward is not finite.
pub fn pass_at_k(
    rewards: &[Option<f64>],
    groups: &[usize],
    config: &PassAtK,
) -> Result<Vec<f64>, GrpoError> {
    let mut advantages = vec![0.0; rewards.len()];
    let k = config.k;
    for rows in scored(rewards, groups, "pass_at_k", k)? {
        let right = |reward: f64| reward >= config.right_from;
        let n = rows.len();
        let wrong = rows.iter().filter(|(_, reward)| !right(*reward)).count();
        if n < k || wrong == 0 || wrong == n {
            continue;
        }
        let rho = 1.0 - avoiding(wrong, n, k);
        let sigma = (rho * (1.0 - rho)).sqrt();
        if sigma == 0.0 {
            // Too few wrong rows to fill a subset: the best of k is always right.
            continue;
        }
        let others = avoiding(wrong - 1, n - 1, k - 1);
        for (row, reward) in rows {
            let lost = if right(reward) { 0.0 } else { others };
            advantages[row] = (1.0 - rho - lost) / sigma;
        }
    }
    Ok(advantages)
}

impl Stateful for PassAtKMax {}

impl Advantage for PassAtKMax {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        Ok(Advantages::per_completion(pass_at_k_max(&step.rewards(), &groups(step), self)?))
    }
}

impl Stateful for PassAtK {}

impl Advantage for PassAtK {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        Ok(Advantages::per_completion(pass_at_k(&step.rewards(), &groups(step), self)?))
    }
}
