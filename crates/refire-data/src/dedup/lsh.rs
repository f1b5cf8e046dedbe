use crate::DataError;
use serde::{Deserialize, Serialize};

/// Bands and rows of locality-sensitive hashing: two texts meet if any band of `rows` minima is
/// equal in both.
///
/// ```
/// let lsh = refire_data::Lsh::default();
/// assert!((lsh.probability(0.8) - 0.924).abs() < 1e-3);
/// assert!((lsh.threshold() - 0.719).abs() < 1e-3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lsh {
    /// Bands.
    pub bands: usize,
    /// Minima in each.
    pub rows: usize,
}

/// 14 bands of 8, as datatrove and FineWeb.
impl Default for Lsh {
    fn default() -> Self {
        Self { bands: 14, rows: 8 }
    }
}

impl Lsh {
    /// Minima in all.
    pub fn hashes(&self) -> usize {
        self.bands * self.rows
    }

    /// Probability that two texts of Jaccard similarity `s` meet: `1 - (1 - s^rows)^bands`.
    pub fn probability(&self, s: f64) -> f64 {
        1.0 - (1.0 - s.powi(self.rows as i32)).powi(self.bands as i32)
    }

    /// About where the probability rises: `(1 / bands)^(1 / rows)`.
    pub fn threshold(&self) -> f64 {
        (1.0 / self.bands as f64).powf(1.0 / self.rows as f64)
    }

    /// The bands and rows, with at most `hashes` minima, that make the weighted sum of two areas
    /// smallest: `false_weight` times the probability curve below the threshold, and
    /// `1 - false_weight` times its complement above. The method of datasketch.
    ///
    /// ```
    /// let lsh = refire_data::Lsh::for_threshold(0.8, 128, 0.5)?;
    /// assert_eq!((lsh.bands, lsh.rows), (9, 13));
    /// # Ok::<(), refire_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// For a threshold or a weight outside `[0, 1]`, and for no hash.
    pub fn for_threshold(
        threshold: f64,
        hashes: usize,
        false_weight: f64,
    ) -> Result<Self, DataError> {
        for (field, value) in [("threshold", threshold), ("false_weight", false_weight)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(DataError::out_of_range(field, value, "from 0 to 1"));
            }
        }
        let mut best = None;
        for bands in 1..=hashes {
            for rows in 1..=hashes / bands {
                let lsh = Self { bands, rows };
                let wrong = area(0.0, threshold, |s| lsh.probability(s));
                let missed = area(threshold, 1.0, |s| 1.0 - lsh.probability(s));
                let cost = false_weight * wrong + (1.0 - false_weight) * missed;
                if best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, lsh));
                }
            }
        }
        best.map(|(_, lsh)| lsh)
            .ok_or_else(|| DataError::out_of_range("hashes", hashes, "at least 1"))
    }

    pub(crate) fn validate(&self) -> Vec<DataError> {
        let fields = [("bands", self.bands), ("rows", self.rows)];
        let zero = fields.into_iter().filter(|(_, value)| *value == 0);
        zero.map(|(field, value)| DataError::out_of_range(field, value, "at least 1")).collect()
    }
}

/// Integral by the midpoint rule.
fn area(from: f64, to: f64, curve: impl Fn(f64) -> f64) -> f64 {
    const STEPS: u32 = 200;
    let width = (to - from) / f64::from(STEPS);
    (0..STEPS).map(|i| curve(from + (f64::from(i) + 0.5) * width) * width).sum()
}
