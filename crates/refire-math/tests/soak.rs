//! A million fuzzed inputs: `cargo test --release -p refire-math --test soak -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::fuzz::{Draw, PIECES, mutated, random};
use refire_math::{Checker, Profile};
use std::time::{Duration, Instant};

const INPUTS: usize = 1_000_000;
const THREADS: usize = 2;
/// An input of a few hundred characters that takes longer has found a hole in the budgets.
const LONGEST: Duration = Duration::from_millis(100);

/// What a thread saw: the slowest input, and how many golds could be read.
#[derive(Default)]
struct Seen {
    slowest: Duration,
    input: String,
    readable: usize,
}

fn run(thread: usize, seeds: &[String]) -> Seen {
    let profiles = [Profile::strict(), Profile::math_verify(), Profile::dapo(), Profile::prm800k()];
    let checkers = profiles.map(|profile| Checker::new(profile).unwrap());
    let mut draw = Draw(1_000 + thread as u64);
    let mut seen = Seen::default();
    for round in 0..INPUTS / THREADS {
        let checker = &checkers[round % checkers.len()];
        let (a, b) = if round % 2 == 0 {
            (random(&mut draw), random(&mut draw))
        } else {
            let seed = &seeds[draw.below(seeds.len())];
            (mutated(&mut draw, seed), mutated(&mut draw, seed))
        };
        let once = || {
            let clock = Instant::now();
            checker.check(&a, &b);
            checker.compare(&a, &b);
            let same = checker.compare(&a, &a);
            (same, clock.elapsed())
        };
        let (same, mut took) = once();
        if took > LONGEST {
            // The thread may have been set aside: the best of a few.
            took = (0..5).map(|_| once().1).min().unwrap_or(took);
        }
        assert!(same.is_equal() || !same.is_decided(), "{a:?}: {same:?}");
        seen.readable += usize::from(checker.gold(&a).fault().is_none());
        if took > seen.slowest {
            (seen.slowest, seen.input) = (took, format!("{a:?} against {b:?}"));
        }
    }
    seen
}

#[test]
#[ignore = "a minute or more"]
fn a_million_inputs_neither_panic_nor_hang() {
    let seeds = common::seeds();
    let threads: Vec<Seen> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn({
                    let seeds = &seeds;
                    move || run(thread, seeds)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for seen in &threads {
        println!("slowest {:?}: {}", seen.slowest, seen.input);
    }
    let readable: usize = threads.iter().map(|seen| seen.readable).sum();
    println!("fuzzed {INPUTS} inputs, {readable} of them readable");
    assert!(readable > INPUTS / 50, "the generator writes answers");
    assert!(threads.iter().all(|seen| seen.slowest < LONGEST));
    time_grows_no_faster_than_length();
}

/// Ten times the length takes about ten times as long; a square would be a hundred. The best of
/// several runs, since others share the machine.
fn time_grows_no_faster_than_length() {
    let checker = Checker::default();
    let time = |text: &str| {
        let run = || {
            let clock = Instant::now();
            checker.check("5", text);
            clock.elapsed()
        };
        (0..15).map(|_| run()).min().unwrap().as_secs_f64()
    };
    for piece in PIECES {
        let text = |characters: usize| piece.repeat(characters / piece.len());
        let (short, long) = (time(&text(100_000)), time(&text(1_000_000)));
        let boxed = |text: String| format!("\\boxed{{{text}}}");
        let (short_box, long_box) = (time(&boxed(text(100_000))), time(&boxed(text(1_000_000))));
        // 2 ms are left for what doesn't depend on length.
        assert!(long < 40.0 * short + 2e-3, "{piece:?}: {short} s, ten times longer {long} s");
        assert!(long_box < 40.0 * short_box + 2e-3, "{piece:?}: {short_box} s, then {long_box} s");
    }
}
