//! The quickstart example: building it, running it and reading its result.

use std::{env, process::Command};

use crate::{command, error::Error, metadata::Metadata};

const EXPECTED: &str = "held-out accuracy: before B after A greedy GB GA seconds S";

/// What the quickstart's last line says: accuracies in `[0, 1]` on held-out prompts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Sampled at temperature 1, before training.
    pub(crate) before: f64,
    /// Sampled at temperature 1, after training.
    pub(crate) after: f64,
    pub(crate) greedy_before: f64,
    pub(crate) greedy_after: f64,
    /// Wall-clock time of the whole run.
    pub(crate) seconds: f64,
}

impl Outcome {
    /// Reads the last line; `None` when it has another shape or impossible values.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [
            "held-out",
            "accuracy:",
            "before",
            before,
            "after",
            after,
            "greedy",
            greedy_before,
            greedy_after,
            "seconds",
            seconds,
        ] = words[..]
        else {
            return None;
        };
        Some(Self {
            before: accuracy(before)?,
            after: accuracy(after)?,
            greedy_before: accuracy(greedy_before)?,
            greedy_after: accuracy(greedy_after)?,
            seconds: seconds.parse().ok().filter(|s: &f64| s.is_finite() && *s >= 0.0)?,
        })
    }

    /// Accuracy gained at temperature 1.
    pub(crate) fn gain(&self) -> f64 {
        self.after - self.before
    }

    /// Accuracy gained by greedy decoding.
    pub(crate) fn greedy_gain(&self) -> f64 {
        self.greedy_after - self.greedy_before
    }
}

fn accuracy(word: &str) -> Option<f64> {
    word.parse().ok().filter(|value| (0.0..=1.0).contains(value))
}

/// Builds the examples with the features of the whole workspace, as the tests do: `cargo run
/// --package` would choose other features and build the backend a second time.
pub(crate) fn build(metadata: &Metadata) -> Result<(), Error> {
    let args = ["build", "--release", "--workspace", "--example", "quickstart"];
    command::status(command::cargo(args).current_dir(&metadata.workspace_root))
}

/// Runs the built example and reads its result.
pub(crate) fn run(metadata: &Metadata, args: &[&str]) -> Result<Outcome, Error> {
    let name = format!("quickstart{}", env::consts::EXE_SUFFIX);
    let program = metadata.target_directory.join("release").join("examples").join(name);
    let mut quickstart = Command::new(program);
    quickstart.args(args).current_dir(&metadata.workspace_root);
    let line = command::last_line(&mut quickstart)?;
    Outcome::parse(&line).ok_or_else(|| Error::NoResult {
        command: command::show(&quickstart),
        expected: EXPECTED,
        line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_result_line() {
        let line = "held-out accuracy: before 0.25 after 0.5 greedy 0.3 0.45 seconds 61.5";
        let outcome = Outcome::parse(line).unwrap();
        assert_eq!(
            outcome,
            Outcome {
                before: 0.25,
                after: 0.5,
                greedy_before: 0.3,
                greedy_after: 0.45,
                seconds: 61.5
            }
        );
        assert!((outcome.gain() - 0.25).abs() < 1e-12);
        assert!((outcome.greedy_gain() - 0.15).abs() < 1e-12);
    }

    #[test]
    fn refuses_other_lines() {
        for line in [
            "",
            "held-out accuracy: before 0.2 after 0.5 greedy 0.3 0.4",
            "held-out accuracy: before 0.2 after 0.5 greedy 0.3 0.4 seconds 1 more",
            "held-out accuracy: before 20 after 50 greedy 30 40 seconds 1",
            "held-out accuracy: before 0.2 after NaN greedy 0.3 0.4 seconds 1",
            "held-out accuracy: before 0.2 after 0.5 greedy 0.3 -0.4 seconds 1",
            "held-out accuracy: before 0.2 after 0.5 greedy 0.3 0.4 seconds inf",
        ] {
            assert_eq!(Outcome::parse(line), None, "{line}");
        }
    }
}
