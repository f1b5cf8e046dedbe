use super::{Attempt, Attempts};
use crate::DataError;
use serde::{Deserialize, Serialize};

/// An answer kept for supervised training, right or wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledTrace<'a> {
    /// The answer.
    pub attempt: &'a Attempt,
    /// Whether it is right.
    pub correct: bool,
}

/// Right answers, and up to `ratio` wrong ones for each of them (for questions without a right one,
/// up to `unsolved`): wrong traces often hold good steps, and training on them too generalises
/// better. In sample order.
///
/// ```
/// use refire_data::{Attempt, Attempts, retain_negatives};
/// let attempt = |tokens, correct| Attempt { tokens, correct: Some(correct), ..Attempt::default() };
/// let asked = Attempts {
///     attempts: vec![attempt(12, false), attempt(10, true), attempt(14, false)],
///     ..Attempts::default()
/// };
/// let kept = retain_negatives(&asked, 1.0, 0);
/// assert_eq!(kept.iter().map(|trace| trace.correct).collect::<Vec<_>>(), [false, true]);
/// ```
pub fn retain_negatives(asked: &Attempts, ratio: f64, unsolved: usize) -> Vec<LabelledTrace<'_>> {
    let right = asked.right().len();
    let mut left = if right == 0 { unsolved } else { (ratio * right as f64).floor() as usize };
    let mut kept = Vec::new();
    for attempt in &asked.attempts {
        match attempt.correct {
            Some(true) => kept.push(LabelledTrace { attempt, correct: true }),
            Some(false) if left > 0 => {
                left -= 1;
                kept.push(LabelledTrace { attempt, correct: false });
            }
            _ => {}
        }
    }
    kept
}

/// GLOW's weight of a trace by what was gained on it: with the loss `l` of epoch `t`,
/// `gain = l(t-1) - l(t)` and `weight = alpha * sigmoid(-beta * gain)`. What is learned already
/// gives little gain only if there is little left, or if it is not yet understood; a small gain has
/// the larger weight. In the first epoch every weight is 1.
///
/// The abstract gives the form, not the constants; with `alpha` 2 a gain of 0 has the weight 1.
///
/// ```
/// let glow = refire_data::GainWeight::default();
/// assert_eq!(glow.weights(None, &[0.7, 0.2])?, [1.0, 1.0]);
/// let weights = glow.weights(Some(&[0.7, 0.9]), &[0.7, 0.2])?;
/// assert!(weights[0] == 1.0 && weights[1] < 1.0);
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GainWeight {
    /// Largest weight.
    pub alpha: f64,
    /// How fast the weight falls with the gain, per nat.
    pub beta: f64,
}

impl Default for GainWeight {
    fn default() -> Self {
        Self { alpha: 2.0, beta: 1.0 }
    }
}

impl GainWeight {
    /// One weight a trace, from the mean losses (nats per token) of two epochs.
    ///
    /// # Errors
    /// When the lists differ in length.
    pub fn weights(&self, before: Option<&[f64]>, now: &[f64]) -> Result<Vec<f64>, DataError> {
        let Some(before) = before else { return Ok(vec![1.0; now.len()]) };
        if before.len() != now.len() {
            let (found, expected) = (now.len(), before.len());
            return Err(DataError::Count { what: "losses", found, expected });
        }
        let weight =
            |(before, now): (&f64, &f64)| self.alpha / (1.0 + (self.beta * (before - now)).exp());
        Ok(before.iter().zip(now).map(weight).collect())
    }
}
