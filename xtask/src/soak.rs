//! `cargo xtask soak`: what is too long for `ci`. Ten thousand submissions through the sandbox, and
//! the quickstart over three seeds.

use crate::{
    command::{self, cargo},
    error::Error,
    metadata::Metadata,
    quickstart::{self, Outcome},
};

const SEEDS: [u64; 3] = [0, 1, 2];
const MIN_MEAN_GAIN: f64 = 0.15;
const MIN_MEAN_GREEDY_GAIN: f64 = 0.05;

/// The sandbox first, then the quickstart.
pub(crate) fn run(metadata: &Metadata) -> Result<(), Error> {
    println!("== submissions");
    let arguments =
        ["test", "--release", "--workspace", "--test", "soak", "--", "--ignored", "--nocapture"];
    command::status(cargo(arguments).current_dir(&metadata.workspace_root))?;
    quickstarts(metadata)
}

/// Runs every seed, prints the table and fails when training gains too little.
fn quickstarts(metadata: &Metadata) -> Result<(), Error> {
    quickstart::build(metadata)?;
    let mut runs = Vec::new();
    for seed in SEEDS {
        println!("== quickstart --seed {seed}");
        runs.push((seed, quickstart::run(metadata, &["--seed", &seed.to_string()])?));
    }
    println!("\n{}", table(&runs));
    let problems = problems(&runs);
    if problems.is_empty() {
        println!("soak passed: quickstart over {} seeds", runs.len());
        Ok(())
    } else {
        Err(Error::Soak { problems })
    }
}

fn mean(runs: &[(u64, Outcome)], value: impl Fn(&Outcome) -> f64) -> f64 {
    runs.iter().map(|(_, outcome)| value(outcome)).sum::<f64>() / runs.len() as f64
}

fn table(runs: &[(u64, Outcome)]) -> String {
    let mut lines = vec![format!(
        "{:>5} {:>7} {:>7} {:>7} {:>14} {:>13} {:>12} {:>8}",
        "seed",
        "before",
        "after",
        "gain",
        "greedy before",
        "greedy after",
        "greedy gain",
        "seconds"
    )];
    let row = |label: String, value: &dyn Fn(fn(&Outcome) -> f64) -> f64| {
        format!(
            "{label:>5} {:>7.3} {:>7.3} {:>+7.3} {:>14.3} {:>13.3} {:>+12.3} {:>8.1}",
            value(|o| o.before),
            value(|o| o.after),
            value(Outcome::gain),
            value(|o| o.greedy_before),
            value(|o| o.greedy_after),
            value(Outcome::greedy_gain),
            value(|o| o.seconds),
        )
    };
    for (seed, outcome) in runs {
        lines.push(row(seed.to_string(), &|value| value(outcome)));
    }
    lines.push(row("mean".into(), &|value| mean(runs, value)));
    lines.join("\n")
}

/// Everything that speaks against the runs: the mean gains and any seed that fell.
fn problems(runs: &[(u64, Outcome)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, gain, least) in [
        ("at temperature 1", mean(runs, Outcome::gain), MIN_MEAN_GAIN),
        ("of greedy decoding", mean(runs, Outcome::greedy_gain), MIN_MEAN_GREEDY_GAIN),
    ] {
        if gain < least {
            problems.push(format!("the mean gain {name} is {gain:.3}, below {least}"));
        }
    }
    for (seed, outcome) in runs {
        for (name, before, after) in [
            ("accuracy at temperature 1", outcome.before, outcome.after),
            ("greedy accuracy", outcome.greedy_before, outcome.greedy_after),
        ] {
            if after < before {
                problems.push(format!("seed {seed}: {name} fell from {before:.3} to {after:.3}"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(outcomes: [[f64; 4]; 3]) -> Vec<(u64, Outcome)> {
        let outcome = |[before, after, greedy_before, greedy_after]: [f64; 4]| Outcome {
            before,
            after,
            greedy_before,
            greedy_after,
            seconds: 60.0,
        };
        SEEDS.into_iter().zip(outcomes.map(outcome)).collect()
    }

    #[test]
    fn accepts_good_runs() {
        let runs = runs([[0.2, 0.5, 0.3, 0.4], [0.2, 0.4, 0.3, 0.3], [0.2, 0.2, 0.3, 0.5]]);
        assert_eq!(problems(&runs), Vec::<String>::new());
    }

    #[test]
    fn names_means_that_are_too_small() {
        let runs = runs([[0.2, 0.3, 0.3, 0.33]; 3]);
        assert_eq!(
            problems(&runs),
            [
                "the mean gain at temperature 1 is 0.100, below 0.15",
                "the mean gain of greedy decoding is 0.030, below 0.05"
            ]
        );
    }

    #[test]
    fn names_a_seed_that_falls_under_good_means() {
        let runs = runs([[0.2, 0.7, 0.3, 0.9], [0.2, 0.7, 0.3, 0.2], [0.2, 0.1, 0.3, 0.9]]);
        assert_eq!(
            problems(&runs),
            [
                "seed 1: greedy accuracy fell from 0.300 to 0.200",
                "seed 2: accuracy at temperature 1 fell from 0.200 to 0.100"
            ]
        );
    }

    #[test]
    fn prints_seeds_and_means() {
        let runs = runs([[0.2, 0.5, 0.3, 0.4], [0.3, 0.5, 0.3, 0.4], [0.4, 0.5, 0.3, 0.4]]);
        let table = table(&runs);
        let last: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["mean", "0.300", "0.500", "+0.200", "0.300", "0.400", "+0.100", "60.0"]);
        assert_eq!(table.lines().count(), 5);
    }
}
