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
    /// Of decoding so many tokens per second. The fastest copy counts: the others were disturbed.
    pub(super) fn of(tokens_per_second: f64, copies: &Measured) -> Self {
        let fastest = copies.seconds.iter().copied().fold(f64::INFINITY, f64::min);
        Self { read: tokens_per_second * WEIGHTS, copied: copies.tokens as f64 / fastest }
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

    #[test]
    fn the_share_is_that_of_the_fastest_copy() {
        let copies =
            |seconds: &[f64], tokens| Measured { seconds: seconds.to_vec(), tokens, peak_bytes: 0 };
        let rate = 10.0 / WEIGHTS;
        let share = Share::of(rate, &copies(&[2.0, 1.0, 4.0], 20));
        assert_eq!((share.read, share.copied), (10.0, 20.0));
        assert!(share.missed("decode").unwrap().contains("0.50 of the copy bandwidth"));
        assert!(Share::of(rate, &copies(&[1.0], 12)).missed("decode").is_none());
    }
}
