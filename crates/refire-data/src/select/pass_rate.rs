use refire_core::pass_at_k;
use serde::{Deserialize, Serialize};

/// How many of `judged` answers are right.
///
/// ```
/// use refire_data::PassRate;
/// let rate = PassRate { correct: 4, judged: 8 };
/// let (low, high) = rate.wilson(1.96).unwrap();
/// assert!((low - 0.2152).abs() < 1e-4 && (high - 0.7848).abs() < 1e-4);
/// assert!(rate.is_within(0.1, 0.9));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassRate {
    /// Right answers.
    pub correct: usize,
    /// Answers that could be judged.
    pub judged: usize,
}

impl PassRate {
    /// The share of right answers; `None` when nothing was judged.
    pub fn mean(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.correct as f64 / self.judged as f64)
    }

    /// Wilson's interval of `z` standard errors: unlike the usual one it is right near 0 and 1.
    pub fn wilson(&self, z: f64) -> Option<(f64, f64)> {
        let (p, n) = (self.mean()?, self.judged as f64);
        let scale = 1.0 + z * z / n;
        let middle = (p + z * z / (2.0 * n)) / scale;
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / scale;
        Some(((middle - half).max(0.0), (middle + half).min(1.0)))
    }

    /// Mean and standard deviation of the rate under a Beta(`a`, `b`) prior; Jeffreys' is
    /// (0.5, 0.5), the uniform one (1, 1).
    pub fn beta(&self, a: f64, b: f64) -> (f64, f64) {
        let (a, b) = (a + self.correct as f64, b + (self.judged - self.correct) as f64);
        let n = a + b;
        (a / n, (a * b / (n * n * (n + 1.0))).sqrt())
    }

    /// True if the rate lies strictly between two bounds, as open-r1's filter (0.1 and 0.9 there).
    /// A question that nothing was judged of doesn't.
    pub fn is_within(&self, above: f64, below: f64) -> bool {
        self.mean().is_some_and(|rate| above < rate && rate < below)
    }

    /// True if some answers are right and some wrong: only then do group-relative advantages differ
    /// from 0 (DAPO's dynamic sampling keeps these).
    pub fn is_mixed(&self) -> bool {
        0 < self.correct && self.correct < self.judged
    }

    /// [`pass_at_k`] of these answers.
    pub fn pass_at(&self, k: usize) -> Option<f64> {
        pass_at_k(self.judged, self.correct, k)
    }
}

/// Probability that a group of `k` answers, each right with probability `p`, has right and wrong
/// ones: `1 - p^k - (1 - p)^k`, the share of groups that bear a gradient.
///
/// ```
/// assert_eq!(refire_data::gradient_bearing(0.5, 2), 0.5);
/// ```
pub fn gradient_bearing(p: f64, k: usize) -> f64 {
    1.0 - p.powi(k as i32) - (1.0 - p).powi(k as i32)
}
