//! A curriculum killed at any step and resumed serves what it would have served.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/learner.rs"]
mod learner;

use learner::*;
use refire_core::{
    BatchSource, BoxError, GroupFilter, PromptSource, Stateful, decode_state, encode_state,
};
use refire_data::{
    DynamicSampling, HardBuffer, ReplayBuffer, ReplayConfig, Success, UniformPrompts,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One batch as bytes: everything a run could see of it.
fn step(source: &mut dyn PromptSource, learner: &mut Learner, size: usize) -> Vec<u8> {
    let requests = source.next(size).unwrap();
    let (groups, scores) = learner.answer(&requests);
    source.observe(&groups, &scores);
    learner.learn(&scores);
    encode_state(&requests).unwrap()
}

#[test]
fn a_killed_run_goes_on_as_if_nothing_had_happened() {
    let prompts = prompts(&LADDER, 20);
    for (name, build) in ALL {
        for seed in 0..4 {
            let cut = draw(seed, 77, 0).below(45);
            let (mut source, mut learner) = (build(&prompts, seed), Learner::new(-1.0, seed));
            let whole: Vec<Vec<u8>> =
                (0..60).map(|i| step(&mut *source, &mut learner, 8 + i % 9)).collect();
            let (mut first, mut learner) = (build(&prompts, seed), Learner::new(-1.0, seed));
            (0..cut).for_each(|i| {
                assert_eq!(step(&mut *first, &mut learner, 8 + i % 9), whole[i], "{name}")
            });
            let state = first.state().unwrap();
            drop(first);
            let mut second = build(&prompts, seed);
            // A source that has moved on before it is restored forgets that.
            step(&mut *second, &mut learner.clone(), 5);
            second.restore(&state).unwrap();
            assert_eq!(second.state().unwrap(), state, "{name}: the state survives a round trip");
            for (i, expected) in whole.iter().enumerate().skip(cut) {
                assert_eq!(
                    &step(&mut *second, &mut learner, 8 + i % 9),
                    expected,
                    "{name} after {cut}, step {i}"
                );
            }
        }
    }
}

/// Batches of a run whose answers come one batch late; the source is saved, and another goes on,
/// when a batch is served and not yet answered.
fn late(build: &dyn Fn() -> Box<dyn PromptSource>, seed: u64, cut: Option<usize>) -> Vec<Vec<u8>> {
    let (mut source, mut learner) = (build(), Learner::new(-1.0, seed));
    let (mut batches, mut waiting) = (Vec::new(), Vec::new());
    for at in 0..50 {
        let requests = source.next(6 + at % 5).unwrap();
        if cut == Some(at) {
            let state = source.state().unwrap();
            source = build();
            source.restore(&state).unwrap();
        }
        batches.push(encode_state(&requests).unwrap());
        let before = std::mem::replace(&mut waiting, requests);
        let (groups, scores) = learner.answer(&before);
        source.observe(&groups, &scores);
        learner.learn(&scores);
    }
    batches
}

#[test]
fn a_run_killed_while_answers_are_under_way_goes_on() {
    let prompts = prompts(&LADDER, 20);
    for (name, build) in ALL {
        for seed in 0..4 {
            let cut = draw(seed, 78, 0).below(50);
            let build = || build(&prompts, seed);
            assert_eq!(late(&build, seed, Some(cut)), late(&build, seed, None), "{name}, {cut}");
        }
    }
}

#[test]
fn states_of_other_data_are_refused() {
    let (some, other) = (prompts(&LADDER, 20), prompts(&LADDER, 21));
    for (name, build) in ALL {
        let state = build(&some, 0).state().unwrap();
        assert!(build(&other, 0).restore(&state).is_err(), "{name}");
        assert!(build(&some, 0).restore(b"nonsense").is_err(), "{name}");
    }
}

/// What stands around a source: the buffer of hard prompts, the filter of groups, and the buffer they
/// are replayed from.
struct Around {
    source: HardBuffer<UniformPrompts>,
    filter: DynamicSampling,
    buffer: ReplayBuffer,
    version: u32,
}

impl Around {
    fn new(seed: u64) -> Self {
        let config =
            ReplayConfig { capacity: 40, max_staleness: 5, seed, ..ReplayConfig::default() };
        let inner = UniformPrompts::new(pool(&prompts(&LADDER, 20)), seed);
        Self {
            source: HardBuffer::new(inner, 5, Success::default()),
            filter: DynamicSampling::new(Success::default()),
            buffer: ReplayBuffer::new(config).unwrap(),
            version: 0,
        }
    }

    fn show(&mut self, learner: &mut Learner) -> Vec<u8> {
        let requests = self.source.next(self.filter.to_ask(6)).unwrap();
        let (mut groups, scores) = learner.answer(&requests);
        for group in &mut groups {
            group.completions.iter_mut().for_each(|c| c.versions = vec![self.version]);
        }
        let kept: Vec<bool> =
            groups.iter().zip(&scores).map(|(g, s)| self.filter.keep(g, s).unwrap()).collect();
        self.buffer.observe(&groups, &scores);
        self.source.observe(&groups, &scores);
        self.version += 1;
        learner.learn(&scores);
        let hard: Option<Vec<u64>> =
            self.source.take().map(|batch| batch.iter().map(|prompt| prompt.id).collect());
        encode_state(&(requests, kept, hard)).unwrap()
    }

    fn replay(&mut self) -> Vec<u8> {
        encode_state(&BatchSource::next(&mut self.buffer, 4).unwrap()).unwrap()
    }
}

impl Stateful for Around {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        let parts = [self.source.state()?, self.filter.state()?, self.buffer.state()?];
        encode_state(&(parts, self.version))
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let ([source, filter, buffer], version): ([Vec<u8>; 3], u32) =
            decode_state("Around", state)?;
        self.version = version;
        self.source.restore(&source)?;
        self.filter.restore(&filter)?;
        self.buffer.restore(&buffer)
    }
}

/// Saved between showing rollouts and asking for replayed ones, too.
#[test]
fn filters_and_buffers_go_on_from_any_half_step() {
    for seed in 0..4 {
        let half = |around: &mut Around, learner: &mut Learner, at: usize| {
            if at.is_multiple_of(2) { around.show(learner) } else { around.replay() }
        };
        let (mut whole, mut learner) = (Around::new(seed), Learner::new(-1.0, seed));
        let expected: Vec<Vec<u8>> = (0..80).map(|at| half(&mut whole, &mut learner, at)).collect();
        for cut in [1, 2, draw(seed, 1, 0).below(80), draw(seed, 2, 0).below(80)] {
            let (mut first, mut learner) = (Around::new(seed), Learner::new(-1.0, seed));
            (0..cut).for_each(|at| assert_eq!(half(&mut first, &mut learner, at), expected[at]));
            let mut second = Around::new(seed);
            second.show(&mut learner.clone());
            second.restore(&first.state().unwrap()).unwrap();
            for (at, expected) in expected.iter().enumerate().skip(cut) {
                assert_eq!(&half(&mut second, &mut learner, at), expected, "cut {cut}, at {at}");
            }
        }
    }
}

const STEPS: usize = 60;

/// What runs in the process under the knife: a source alone, or with what stands around it.
trait Run: Stateful {
    fn step(&mut self, learner: &mut Learner, at: usize) -> Vec<u8>;
}

struct Alone(Box<dyn PromptSource>);

impl Stateful for Alone {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.0.state()
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.0.restore(state)
    }
}

impl Run for Alone {
    fn step(&mut self, learner: &mut Learner, at: usize) -> Vec<u8> {
        step(&mut *self.0, learner, 8 + at % 9)
    }
}

impl Run for Around {
    /// Shows rollouts and asks for replayed ones in turn.
    fn step(&mut self, learner: &mut Learner, at: usize) -> Vec<u8> {
        if at.is_multiple_of(2) { self.show(learner) } else { self.replay() }
    }
}

const AROUND: &str = "replay, dynamic sampling and hard prompts";

fn under_the_knife(name: &str) -> Box<dyn Run> {
    match ALL.iter().find(|(known, _)| *known == name) {
        Some((_, build)) => Box::new(Alone(build(&prompts(&LADDER, 20), 1))),
        None => Box::new(Around::new(1)),
    }
}

/// What the process under the knife does: one step after another, each noted before its state is
/// saved. Not a test by itself.
#[test]
#[ignore = "run by `processes_killed_at_any_time_go_on`"]
fn child() {
    let Some(folder) = std::env::var_os("REFIRE_KILL_FOLDER") else { return };
    let folder = Path::new(&folder);
    let name = std::env::var("REFIRE_KILL_SOURCE").unwrap();
    let (mut source, mut learner) = (under_the_knife(&name), Learner::new(-1.0, 1));
    let mut first = 0;
    if let Ok(saved) = std::fs::read(folder.join("state")) {
        let (step, skill, state): (usize, f64, Vec<u8>) = decode_state("child", &saved).unwrap();
        (first, learner.skill) = (step, skill);
        source.restore(&state).unwrap();
    }
    let mut notes =
        std::fs::OpenOptions::new().create(true).append(true).open(folder.join("notes")).unwrap();
    for at in first..STEPS {
        let served = xxhash_rust::xxh3::xxh3_64(&source.step(&mut learner, at));
        notes.write_all(format!("{at} {served}\n").as_bytes()).unwrap();
        let state = encode_state(&(at + 1, learner.skill, source.state().unwrap())).unwrap();
        std::fs::write(folder.join("new"), state).unwrap();
        std::fs::rename(folder.join("new"), folder.join("state")).unwrap();
    }
    std::fs::write(folder.join("done"), "").unwrap();
}

#[test]
fn processes_killed_at_any_time_go_on() {
    let names = ALL.iter().map(|(name, _)| *name).chain([AROUND]);
    for (index, name) in names.enumerate() {
        let (mut source, mut learner) = (under_the_knife(name), Learner::new(-1.0, 1));
        let expected: Vec<u64> = (0..STEPS)
            .map(|at| xxhash_rust::xxh3::xxh3_64(&source.step(&mut learner, at)))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let notes = || std::fs::read_to_string(folder.path().join("notes")).unwrap_or_default();
        let (mut kills, limit) = (0, Instant::now() + Duration::from_secs(60));
        while !folder.path().join("done").exists() {
            assert!(Instant::now() < limit, "{name}: no end");
            let mut process = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "child"])
                .env("REFIRE_KILL_FOLDER", folder.path())
                .env("REFIRE_KILL_SOURCE", name)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            // Killed some steps from here, the third time not.
            let more = 1 + draw(index as u64, kills, 0).below(25);
            let until = if kills < 2 { notes().lines().count() + more } else { usize::MAX };
            while process.try_wait().unwrap().is_none() && notes().lines().count() < until {
                std::thread::yield_now();
            }
            kills += u64::from(process.kill().is_ok() && until != usize::MAX);
            process.wait().unwrap();
        }
        let mut seen = BTreeMap::new();
        for line in notes().lines() {
            let (at, served) = line.split_once(' ').unwrap();
            let (at, served): (usize, u64) = (at.parse().unwrap(), served.parse().unwrap());
            assert_eq!(served, expected[at], "{name}, step {at}, after {kills} kills");
            seen.insert(at, served);
        }
        assert_eq!(seen.len(), STEPS, "{name}");
    }
}
