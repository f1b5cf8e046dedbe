//! OTB: the optimal baseline of each token.
//!
//! ```text
//! w_t = (1 - 2 p_t + sum_v p_v^2) rho_t^2       the squared norm of the token's score function
//! W_t = sum_{s <= t} w_s
//! B_t = sum_i G_it W_it / (sum_i W_it + eps)     over the rows of a group
//! A_t = G_t - B_t                                G: rewards still to come
//! ```
//!
//! verl's `optimal_token_baseline` and `tir_optimal_token_baseline`. `compact` compares the n-th
//! visible token of each row instead of those at one position, which is what rows with tool outputs
//! need. Beyond the end of the second longest row the longest is alone; `zero_tail` takes its
//! baseline away there, as it otherwise equals its own return.

use super::statistics::members;
use super::view::{column, groups, per_token, scored_mask, token_rewards};
use super::{Holes, returns_to_go};
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Needs, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// Settings of [`otb`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otb {
    /// Count visible tokens instead of positions.
    pub compact: bool,
    /// No baseline where the longest row is alone.
    pub zero_tail: bool,
    /// Added to the sum of weights.
    pub eps: f64,
}

impl Default for Otb {
    /// verl's form for rows without holes: eps 1e-8, and the tail keeps its baseline.
    fn default() -> Self {
        Self { compact: false, zero_tail: false, eps: 1e-8 }
    }
}

impl Otb {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        crate::loss::positive("advantage.eps", self.eps).into_iter().collect()
    }
}

/// What [`otb`] reads, ragged rows.
#[derive(Debug, Clone, Copy)]
pub struct OtbInputs<'a> {
    /// Rewards of tokens.
    pub rewards: &'a [Vec<f64>],
    /// Which tokens are seen.
    pub mask: &'a [Vec<bool>],
    /// Group of each row.
    pub groups: &'a [usize],
    /// Log-probabilities at the step's start.
    pub old_logprobs: &'a [Vec<f64>],
    /// Sums of squared probabilities.
    pub sum_sq: &'a [Vec<f64>],
    /// Importance weights.
    pub weights: Option<&'a [Vec<f64>]>,
}

/// One advantage per token, 0 where masked. A row alone in its group has no baseline.
///
/// ```
/// use refire_grpo::advantage::{Otb, OtbInputs, otb};
/// let inputs = OtbInputs {
///     rewards: &[vec![1.0], vec![0.0]],
///     mask: &[vec![true], vec![true]],
///     groups: &[0, 0],
///     old_logprobs: &[vec![-1.0], vec![-1.0]],
///     sum_sq: &[vec![0.4], vec![0.4]],
///     weights: None,
/// };
/// let advantages = otb(&inputs, &Otb::default())?;
/// assert!((advantages[0][0] - 0.5).abs() < 1e-6);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the columns don't fit each other.
pub fn otb(inputs: &OtbInputs<'_>, config: &Otb) -> Result<Vec<Vec<f64>>, GrpoError> {
    let OtbInputs { rewards, mask, groups, old_logprobs, sum_sq, weights } = *inputs;
    GrpoError::same_shape("old_logprobs", old_logprobs, mask)?;
    GrpoError::same_shape("sum_sq", sum_sq, mask)?;
    if let Some(weights) = weights {
        GrpoError::same_shape("weights", weights, mask)?;
    }
    let (found, expected) = (groups.len(), mask.len());
    if found != expected {
        return Err(GrpoError::Count { what: "groups of rows", found, expected });
    }
    let mut advantages = returns_to_go(rewards, mask, 1.0, Holes::Skip)?;
    let rows: Vec<Vec<Place>> = (0..mask.len())
        .map(|row| {
            let weight = |token: usize| {
                let w = 1.0 - 2.0 * old_logprobs[row][token].exp() + sum_sq[row][token];
                weights.map_or(w, |all| w * all[row][token].powi(2))
            };
            places(&mask[row], &advantages[row], weight, config.compact)
        })
        .collect();
    for members in members(groups).into_values() {
        let present = |row: &&usize| !config.compact || !rows[**row].is_empty();
        let members: Vec<usize> = members.iter().filter(present).copied().collect();
        if members.len() < 2 {
            continue;
        }
        let baselines = baselines(&members, &rows, config.eps);
        let alone = config.zero_tail.then(|| tail(&members, &rows)).flatten();
        for row in members {
            for place in &rows[row] {
                let lone = alone.is_some_and(|(longest, from)| longest == row && place.at >= from);
                if !lone {
                    advantages[row][place.token] -= baselines[place.at];
                }
            }
        }
    }
    Ok(advantages)
}

/// A visible token and where it is compared with those of other rows.
struct Place {
    token: usize,
    at: usize,
    value: f64,
    weight: f64,
}

fn places(
    mask: &[bool],
    returns: &[f64],
    weight: impl Fn(usize) -> f64,
    compact: bool,
) -> Vec<Place> {
    let mut sum = 0.0;
    let visible = (0..mask.len()).filter(|token| mask[*token]).enumerate();
    let place = |(index, token): (usize, usize)| {
        sum += weight(token);
        let at = if compact { index } else { token };
        Place { token, at, value: returns[token], weight: sum }
    };
    visible.map(place).collect()
}

fn baselines(members: &[usize], rows: &[Vec<Place>], eps: f64) -> Vec<f64> {
    let places = || members.iter().flat_map(|row| &rows[*row]);
    let width = places().map(|place| place.at + 1).max().unwrap_or(0);
    let mut sums = vec![(0.0, 0.0); width];
    for place in places() {
        let (values, weights) = &mut sums[place.at];
        *values += place.value * place.weight;
        *weights += place.weight;
    }
    sums.into_iter().map(|(values, weights)| values / (weights + eps)).collect()
}

/// The row that is longest alone, and the length of the second longest.
fn tail(members: &[usize], rows: &[Vec<Place>]) -> Option<(usize, usize)> {
    let mut lengths: Vec<(usize, usize)> =
        members.iter().map(|row| (rows[*row].len(), *row)).collect();
    lengths.sort_unstable();
    let [.., (second, _), (first, row)] = lengths[..] else { return None };
    (first > second).then_some((row, second))
}

impl Stateful for Otb {}

impl Advantage for Otb {
    fn needs(&self) -> Needs {
        Needs { old_logprobs: true, sum_sq: true, ..Needs::NONE }
    }

    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let rewards = token_rewards(step, &step.rewards(), None)?;
        let old = column(&step.columns.old_logprobs, "old_logprobs")?;
        let sum_sq = column(&step.columns.sum_sq, "sum_sq")?;
        let inputs = OtbInputs {
            rewards: &rewards,
            mask: &scored_mask(step),
            groups: &groups(step),
            old_logprobs: &old,
            sum_sq: &sum_sq,
            weights: None,
        };
        Ok(per_token(&otb(&inputs, self)?, step))
    }
}
