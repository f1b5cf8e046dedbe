//! What is compared, and what refire must not exceed.

use super::run::Measured;
use std::fmt;

/// One kind of work on SmolLM2-135M's shape.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) ours: &'static [&'static str],
    pub(super) peer: &'static [&'static str],
    /// Most of the peer's time, if that is a target.
    time: Option<f64>,
    /// Most of the peer's memory, if that is a target.
    memory: Option<f64>,
    /// Whether each token reads all weights once, which is compared with the machine's memory.
    pub(super) reads_weights: bool,
}

pub(super) const TARGETS: [Target; 10] = [
    Target {
        name: "training step 2x256",
        ours: &["--repeats", "2", "--shards", "1", "train"],
        peer: &["--repeats", "2", "train"],
        time: Some(0.95),
        memory: Some(0.75),
        reads_weights: false,
    },
    Target {
        name: "training, checkpointing",
        ours: &["--repeats", "2", "--shards", "1", "train", "--checkpointing"],
        peer: &["--repeats", "2", "train"],
        time: None,
        memory: Some(0.6),
        reads_weights: false,
    },
    Target {
        name: "log-probabilities 4x128",
        ours: &["--repeats", "3", "logprobs"],
        peer: &["--repeats", "3", "logprobs"],
        time: Some(0.8),
        memory: Some(0.5),
        reads_weights: false,
    },
    Target {
        name: "decode 1",
        ours: &["decode", "--batch", "1"],
        peer: &["decode", "--batch", "1"],
        time: Some(0.35),
        memory: Some(0.6),
        reads_weights: true,
    },
    Target {
        name: "decode 8",
        ours: &["decode", "--batch", "8"],
        peer: &["decode", "--batch", "8"],
        time: Some(0.4),
        memory: Some(0.6),
        reads_weights: false,
    },
    Target {
        name: "decode 32",
        ours: &["decode", "--batch", "32"],
        peer: &["decode", "--batch", "32"],
        time: Some(0.5),
        memory: Some(0.6),
        reads_weights: false,
    },
    Target {
        name: "decode 1, bf16 weights",
        ours: &["decode", "--batch", "1", "--bf16"],
        peer: &["decode", "--batch", "1"],
        time: Some(0.2),
        memory: None,
        reads_weights: false,
    },
    // At least 0.8 of llama.cpp's speed.
    Target {
        name: "decode 1, llama.cpp f32",
        ours: &["--repeats", "2", "decode", "--batch", "1"],
        peer: &["--repeats", "2", "llama", "--dtype", "f32"],
        time: Some(1.25),
        memory: None,
        reads_weights: false,
    },
    Target {
        name: "decode 1, llama.cpp bf16",
        ours: &["--repeats", "2", "decode", "--batch", "1", "--bf16"],
        peer: &["--repeats", "2", "llama", "--dtype", "bf16"],
        time: Some(1.25),
        memory: None,
        reads_weights: false,
    },
    Target {
        name: "GRPO step 4x4x64",
        ours: &["grpo"],
        peer: &["grpo"],
        time: Some(0.5),
        memory: Some(0.5),
        reads_weights: false,
    },
];

/// Medians of both sides.
#[derive(Debug)]
pub(super) struct Outcome {
    target: &'static Target,
    seconds: [f64; 2],
    tokens: u64,
    bytes: [u64; 2],
}

impl Outcome {
    pub(super) fn of(target: &'static Target, runs: &[[Measured; 2]]) -> Self {
        let seconds = [0, 1].map(|side| {
            median(runs.iter().flat_map(|run| run[side].seconds.iter().copied()).collect())
        });
        let bytes =
            [0, 1].map(|side| median(runs.iter().map(|run| run[side].peak_bytes).collect()));
        let tokens = runs.first().map_or(0, |run| run[0].tokens);
        Self { target, seconds, tokens, bytes }
    }

    fn time(&self) -> f64 {
        self.seconds[0] / self.seconds[1]
    }

    fn memory(&self) -> f64 {
        self.bytes[0] as f64 / self.bytes[1] as f64
    }

    /// Tokens per second of refire.
    pub(super) fn rate(&self) -> f64 {
        self.tokens as f64 / self.seconds[0]
    }

    /// The targets that were not reached.
    pub(super) fn missed(&self) -> Vec<String> {
        let Target { name, time, memory, .. } = self.target;
        let mut missed = Vec::new();
        if let Some(time) = time.filter(|time| self.time() > *time) {
            missed.push(format!("{name} takes {:.2} of the time (at most {time})", self.time()));
        }
        if let Some(memory) = memory.filter(|memory| self.memory() > *memory) {
            let found = self.memory();
            missed.push(format!("{name} takes {found:.2} of the memory (at most {memory})"));
        }
        missed
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ours, peer] = self.seconds;
        let [our_gib, peer_gib] = self.bytes.map(|bytes| bytes as f64 / f64::from(1 << 30));
        let rate = |seconds: f64| self.tokens as f64 / seconds;
        write!(
            f,
            "{:<24} {ours:>8.3} s {:>7.1} tok/s {peer:>8.3} s {:>7.1} tok/s {:>6.2} {our_gib:>6.2} \
             {peer_gib:>6.2} {:>6.2}",
            self.target.name,
            rate(ours),
            rate(peer),
            self.time(),
            self.memory(),
        )
    }
}

/// A line of headings, and one per kind of work.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let head = format!(
        "{:<24} {:>10} {:>13} {:>10} {:>13} {:>6} {:>6} {:>6} {:>6}",
        "work", "refire", "", "peer", "", "ratio", "GiB", "peer", "ratio"
    );
    let lines = outcomes.iter().map(ToString::to_string);
    [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

/// The lower one of two in the middle.
fn median<T: PartialOrd + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(seconds: f64, peak_bytes: u64) -> Measured {
        Measured { seconds: vec![seconds], tokens: 96, peak_bytes }
    }

    #[test]
    fn medians_decide() {
        let runs: Vec<_> = [(1.0, 10), (9.0, 90), (2.0, 20)]
            .map(|(s, b)| [measured(s, b), measured(2.0 * s, 4 * b)])
            .into();
        let outcome = Outcome::of(&TARGETS[0], &runs);
        assert_eq!((outcome.seconds, outcome.bytes), ([2.0, 4.0], [20, 80]));
        assert!(outcome.missed().is_empty());
    }

    #[test]
    fn names_what_was_missed() {
        let outcome = Outcome::of(&TARGETS[0], &[[measured(2.0, 9), measured(1.0, 10)]]);
        assert_eq!(
            outcome.missed(),
            [
                "training step 2x256 takes 2.00 of the time (at most 0.95)",
                "training step 2x256 takes 0.90 of the memory (at most 0.75)"
            ]
        );
        assert_eq!(table(&[outcome]).lines().count(), 2);
    }
}
