use super::Rejection;
use super::gopher::words;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What FineWeb added to Gopher's and C4's rules (Penedo et al., arXiv 2406.17557).
///
/// ```
/// use refire_data::FineWeb;
/// assert_eq!(FineWeb::default().check("").unwrap().rule, "empty");
/// assert!(FineWeb::default().check("It rained for two days and nobody went out at all.").is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FineWeb {
    /// Least lines that end in a stop mark, as a share.
    pub min_stops: f64,
    /// Most lines of at most 30 characters, as a share.
    pub max_short: f64,
    /// Most characters in repeated lines, as a share of all.
    pub max_repeated: f64,
    /// Most line ends per word.
    pub max_line_ends: f64,
}

impl Default for FineWeb {
    fn default() -> Self {
        Self { min_stops: 0.12, max_short: 0.67, max_repeated: 0.01, max_line_ends: 0.3 }
    }
}

const SHORT: usize = 30;
const STOPS: [char; 9] = ['.', '!', '?', '"', '\'', '”', '。', '！', '？'];

impl FineWeb {
    /// The first rule that turns a text down.
    pub fn check(&self, text: &str) -> Option<Rejection> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        if lines.is_empty() {
            return Some(Rejection::new("empty", "there is no line"));
        }
        let n = lines.len() as f64;
        let stops = lines.iter().filter(|line| line.ends_with(STOPS)).count() as f64 / n;
        let short = lines.iter().filter(|line| line.chars().count() <= SHORT).count() as f64 / n;
        let mut seen = HashSet::new();
        let repeated = lines.iter().filter(|line| !seen.insert(**line));
        let repeated = repeated.map(|line| line.chars().count()).sum::<usize>() as f64;
        let length = text.chars().filter(|c| *c != '\n').count().max(1) as f64;
        let ends = text.matches('\n').count() as f64 / words(text).len().max(1) as f64;
        Rejection::outside("lines that end in a stop", stops, self.min_stops, 1.0)
            .or_else(|| Rejection::outside("short lines", short, 0.0, self.max_short))
            .or_else(|| {
                let share = repeated / length;
                Rejection::outside("characters of repeated lines", share, 0.0, self.max_repeated)
            })
            .or_else(|| Rejection::outside("line ends", ends, 0.0, self.max_line_ends))
    }
}
