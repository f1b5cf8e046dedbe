use super::{Attempts, distinct_n};
use crate::text::Words;
use serde::{Deserialize, Serialize};

/// MMR1's variance promotion score: `outcome * p (1 - p) + trajectory * distinct-n`, high for
/// questions that are sometimes solved, and in different ways.
///
/// Its released configuration is the outcome alone (`outcome` 1, `trajectory` 0); the paper's
/// weights are 0.8 and 0.2.
///
/// ```
/// use refire_data::VarianceScore;
/// let score = VarianceScore { trajectory: 0.0, outcome: 1.0, ..VarianceScore::default() };
/// assert_eq!(score.of(0.5, 1.0), 0.25);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VarianceScore {
    /// Weight of `p (1 - p)`.
    pub outcome: f64,
    /// Weight of the answers' diversity, in `[0, 1]`.
    pub trajectory: f64,
    /// Words in an n-gram of that diversity.
    pub ngram: usize,
}

impl Default for VarianceScore {
    fn default() -> Self {
        Self { outcome: 0.8, trajectory: 0.2, ngram: 3 }
    }
}

impl VarianceScore {
    /// The score of a pass rate and a diversity.
    pub fn of(&self, pass_rate: f64, diversity: f64) -> f64 {
        self.outcome * pass_rate * (1.0 - pass_rate) + self.trajectory * diversity
    }

    /// The score of the answers to a question; `None` when none was judged.
    pub fn score(&self, asked: &Attempts) -> Option<f64> {
        let texts = asked.attempts.iter().map(|attempt| Words::default().hashes(&attempt.text));
        let diversity = distinct_n(&texts.collect::<Vec<_>>(), self.ngram);
        Some(self.of(asked.pass_rate().mean()?, diversity))
    }
}

/// Scores stretched to `[floor, 1]`; all 1 if they are equal. MMR1's own version has no floor: its
/// least question is never drawn again, and equal scores stop the run.
///
/// ```
/// assert_eq!(refire_data::min_max(&[1.0, 3.0, 2.0], 0.1), [0.1, 1.0, 0.55]);
/// assert_eq!(refire_data::min_max(&[2.0, 2.0], 0.1), [1.0, 1.0]);
/// ```
pub fn min_max(scores: &[f64], floor: f64) -> Vec<f64> {
    let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = high - low;
    let stretch = |score: &f64| {
        // The best is 1, not nearly 1.
        if *score == high { 1.0 } else { floor + (1.0 - floor) * (score - low) / range }
    };
    scores.iter().map(stretch).collect()
}
