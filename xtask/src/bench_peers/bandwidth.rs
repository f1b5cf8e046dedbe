//! How much of the machine's memory bandwidth decoding uses.

use super::run::Measured;
use std::fmt;

/// Bytes of SmolLM2-135M's weights in 32 bits; its head is the embedding.
const WEIGHTS: f64 = 4.0 * 134_515_008.0;

/// Least share of the bandwidth of copies.
const LEAST: f64 = 0.7;

/// Weights that decoding at batch 1 reads, and what all threads together copy, bytes per second.
#[derive(Debug)]
pub(super) struct Share {
    read: f64,
    copied: f64,
}

impl Share {
    /// The fastest copy counts: the others were disturbed. Of decoding it is the median.
    pub(super) fn of(runs: &[[Measured; 2]], copies: &Measured) -> Self {
        let mut rates: Vec<f64> = runs
            .iter()
            .flat_map(|[ours, _]| ours.seconds.iter().map(|s| ours.tokens as f64 * WEIGHTS / s))
            .collect();
        rates.sort_by(f64::total_cmp);
        let fastest = copies.seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let read = rates.get(rates.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
        Self { read, copied: copies.tokens as f64 / fastest }
    }

    fn ratio(&self) -> f64 {
        self.read / self.copied
    }

    pub(super) fn missed(&self, name: &str) -> Option<String> {
        let found = self.ratio();
        let few = found.is_nan() || found < LEAST;
        few.then(|| format!("{name} reads at {found:.2} of the copy bandwidth (at least {LEAST})"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [read, copied] = [self.read, self.copied].map(|rate| rate / 1e9);
        write!(
            f,
            "reads weights at {read:.1} GB/s, {:.2} of the {copied:.1} GB/s that copies move",
            self.ratio()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(seconds: &[f64], tokens: u64) -> Measured {
        Measured { seconds: seconds.to_vec(), tokens, peak_bytes: 0 }
    }

    #[test]
    fn the_share_is_that_of_the_fastest_copy() {
        let runs = [[measured(&[WEIGHTS], 10), measured(&[1.0], 1)]];
        let share = Share::of(&runs, &measured(&[2.0, 1.0, 4.0], 20));
        assert_eq!((share.read, share.copied), (10.0, 20.0));
        assert!(share.missed("decode").unwrap().contains("0.50 of the copy bandwidth"));
        assert!(Share::of(&runs, &measured(&[1.0], 12)).missed("decode").is_none());
    }
}
