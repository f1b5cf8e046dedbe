//! Curricula against a simulated learner: each is better than uniform passes.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/learner.rs"]
mod learner;

use learner::*;
use refire_core::{BatchSource, Group, GroupFilter, Prompt, PromptSource, Score, Stateful};
use refire_data::{
    DynamicSampling, Exhausted, Mixture, ReplayBuffer, ReplayConfig, Schedule, Success, Tarot,
    TierWeights, UniformPrompts, WarmUpRollouts,
};
use std::collections::BTreeMap;

/// Mean gain of a source over uniform passes, by seeds; each single one must be positive.
fn beats_uniform(
    name: &str,
    levels: &[f64],
    start: f64,
    batches: usize,
    least: f64,
    source: Factory,
) {
    let prompts = prompts(levels, 40);
    let mut ratios = Vec::new();
    for seed in 0..5 {
        let learner = Learner::new(start, seed);
        let plain =
            train(&mut UniformPrompts::new(pool(&prompts), seed), learner.clone(), batches, 32);
        let other = train(&mut *source(&prompts, seed), learner, batches, 32);
        ratios.push((other - start) / (plain - start));
    }
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    println!("{name}: {mean:.2} times the gain of uniform passes, {ratios:.2?}");
    assert!(mean > least && ratios.iter().all(|ratio| *ratio > 1.0), "{name}: {ratios:?}");
}

#[test]
fn the_bandit_beats_uniform() {
    beats_uniform("SEC", &LADDER, -1.0, 60, 1.2, bandit);
}

#[test]
fn variance_sampling_beats_uniform() {
    beats_uniform("VAS", &LADDER, -1.0, 60, 1.15, variance);
}

#[test]
fn targeting_beats_uniform() {
    beats_uniform("DOTS", &LADDER, -1.0, 60, 1.4, targeted);
}

#[test]
fn stages_beat_uniform() {
    beats_uniform("staged", &LADDER, -2.0, 60, 1.3, staged);
}

#[test]
fn prioritised_sampling_beats_uniform_where_most_is_solved() {
    beats_uniform("Kimi", &MOSTLY_EASY, 0.0, 60, 2.0, prioritised);
}

#[test]
fn hard_focus_beats_uniform_where_most_is_solved() {
    beats_uniform("DRIVE", &MOSTLY_EASY, 0.0, 80, 1.5, drive);
}

/// The few prompts that still teach something, nine times in ten.
fn weighted(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let (useful, easy): (Vec<Prompt>, Vec<Prompt>) =
        prompts.iter().cloned().partition(|prompt| difficulty(prompt) > 0.0);
    let sources = vec![(uniform(&useful, seed), 0.9), (uniform(&easy, seed), 0.1)];
    Box::new(Mixture::new(sources, Exhausted::GoOn).unwrap())
}

#[test]
fn weights_beat_uniform_where_most_is_solved() {
    beats_uniform("mixture", &MOSTLY_EASY, 0.0, 60, 2.0, weighted);
}

/// Skills after as many updates of 16 groups each: all of the filter's groups bear a gradient.
#[test]
fn dynamic_sampling_beats_taking_every_group() {
    let prompts = prompts(&LADDER, 40);
    for seed in 0..5 {
        let mut plain = Learner::new(-1.0, seed);
        let mut source = UniformPrompts::new(pool(&prompts), seed);
        for _ in 0..60 {
            let (_, scores) = plain.answer(&source.next(16).unwrap());
            plain.learn(&scores);
        }
        let mut learner = Learner::new(-1.0, seed);
        let mut source = UniformPrompts::new(pool(&prompts), seed);
        let mut filter = DynamicSampling::new(Success::default());
        let mut asked = 0;
        for _ in 0..60 {
            let mut batch: Vec<Vec<Score>> = Vec::new();
            while batch.len() < 16 {
                let requests = source.next(filter.to_ask(16 - batch.len())).unwrap();
                asked += requests.len();
                let (groups, scores) = learner.answer(&requests);
                let kept = groups.iter().zip(scores);
                batch.extend(kept.filter_map(|(g, s)| filter.keep(g, &s).unwrap().then_some(s)));
            }
            batch.truncate(16);
            learner.learn(&batch);
        }
        let (with, without) = (learner.skill + 1.0, plain.skill + 1.0);
        println!("DAPO: {with:.2} against {without:.2}, {asked} groups asked for {}", 60 * 16);
        assert!(with > 1.3 * without && asked < 4 * 60 * 16, "{with} {without} {asked}");
    }
}

/// Skills after as many rollouts: half of each batch comes from the buffer, whose groups teach a
/// tenth less with each version they are older.
#[test]
fn replay_beats_fresh_rollouts_alone() {
    let prompts = prompts(&LADDER, 40);
    for seed in 0..5 {
        let run = |replayed: usize| {
            let mut learner = Learner::new(-1.0, seed);
            let mut source = UniformPrompts::new(pool(&prompts), seed);
            let config = ReplayConfig { max_staleness: 4, seed, ..ReplayConfig::default() };
            let mut buffer = ReplayBuffer::new(config).unwrap();
            for version in 0..60_u32 {
                let (mut groups, mut scores) = learner.answer(&source.next(16).unwrap());
                for group in &mut groups {
                    group.completions.iter_mut().for_each(|c| c.versions = vec![version]);
                }
                buffer.observe(&groups, &scores);
                let fresh = scores.len();
                for (group, old) in BatchSource::next(&mut buffer, replayed).unwrap() {
                    let age = version - group.completions[0].versions[0];
                    assert!((1..=4).contains(&age));
                    if draw(seed, u64::from(version), scores.len() as u64).uniform()
                        < 0.9_f64.powf(f64::from(age))
                    {
                        scores.push(old);
                    }
                }
                // As many updates, of the rollouts' weight each.
                let share = scores.len() as f64 / fresh as f64;
                let rate = learner.rate;
                learner.rate *= share;
                learner.learn(&scores);
                learner.rate = rate;
            }
            learner.skill + 1.0
        };
        let (with, without) = (run(16), run(0));
        println!("replay: {with:.2} against {without:.2} for the same rollouts");
        assert!(with > 1.4 * without, "{with} {without}");
    }
}

/// Against the same prompts with all tiers active all the time.
#[test]
fn tiers_beat_all_tests_at_once_for_a_weak_policy() {
    let prompts = prompts(&[1.0, 2.0, 3.0], 40);
    for seed in 0..5 {
        let with = |schedule| {
            let inner = UniformPrompts::new(pool(&prompts), seed);
            let source =
                Tarot::new(inner, schedule, TierWeights::default(), 60 * 32, Success::default());
            let mut source = source.unwrap().with_portfolio(64, 0.5);
            let skill = train(&mut source, Learner::new(-1.0, seed), 60, 32);
            (skill, source.schedule())
        };
        let (uniform, _) = with(Schedule::Uniform);
        let (portfolio, chosen) = with(Schedule::Portfolio);
        assert_eq!(chosen, Some(Schedule::EasyFirst));
        assert!(portfolio + 1.0 > 1.1 * (uniform + 1.0), "{portfolio} {uniform}");
    }
}

#[test]
fn a_strong_policy_starts_with_hard_tests() {
    let prompts = prompts(&[-3.0], 40);
    let mut source = Tarot::new(
        UniformPrompts::new(pool(&prompts), 0),
        Schedule::Portfolio,
        TierWeights::default(),
        2000,
        Success::default(),
    )
    .unwrap();
    train(&mut source, Learner::new(3.0, 0), 10, 32);
    assert_eq!(source.schedule(), Some(Schedule::HardFirst));
}

#[test]
fn visits_count_how_often_a_prompt_was_served() {
    let prompts = prompts(&LADDER, 10);
    for (name, build) in ALL {
        let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut source, mut learner) = (build(&prompts, 3), Learner::new(-1.0, 3));
        for _ in 0..30 {
            let requests = source.next(12).unwrap();
            for request in &requests {
                let visits = seen.entry(request.prompt.id).or_default();
                assert_eq!(request.visit, *visits, "{name}");
                *visits += 1;
            }
            let (groups, scores) = learner.answer(&requests);
            source.observe(&groups, &scores);
            learner.learn(&scores);
        }
    }
}

#[test]
fn mixtures_keep_their_proportions() {
    let prompts = prompts(&LADDER, 20);
    let (a, rest) = prompts.split_at(60);
    let (b, c) = rest.split_at(50);
    let sources = [(a, 0.5), (b, 0.3), (c, 0.2)];
    let boxed = sources.map(|(p, w)| (uniform(p, 0), w)).into();
    let mut mixture = Mixture::new(boxed, Exhausted::Stop).unwrap();
    let mut total = 0_usize;
    for n in [1, 2, 3, 7, 11, 100] {
        mixture.next(n).unwrap();
        total += n;
        for (served, (_, weight)) in mixture.served().iter().zip(sources) {
            assert!(
                (*served as f64 - weight * total as f64).abs() <= 1.0 + 1e-9,
                "{:?} of {total}",
                mixture.served()
            );
        }
    }
    assert!(Mixture::new(vec![(uniform(a, 0), 0.0)], Exhausted::Stop).is_err());
}

#[test]
fn warm_up_marks_the_first_requests_and_no_batch_is_half_marked() {
    let prompts = prompts(&LADDER, 20);
    let mut source = WarmUpRollouts::new(UniformPrompts::new(pool(&prompts), 0), 20);
    let sizes: Vec<(usize, bool)> = (0..4)
        .map(|_| {
            let batch = source.next(16).unwrap();
            let marked =
                batch.iter().filter(|r| WarmUpRollouts::<UniformPrompts>::is_marked(r)).count();
            assert!(marked == 0 || marked == batch.len());
            (batch.len(), marked > 0)
        })
        .collect();
    assert_eq!(sizes, [(16, true), (4, true), (16, false), (16, false)]);
    assert!(!source.is_warming());
}

#[test]
fn replay_is_bounded_fresh_and_resumable() {
    let prompts = prompts(&LADDER, 20);
    let config =
        ReplayConfig { capacity: 10, max_staleness: 2, max_uses: 2, ..ReplayConfig::default() };
    let mut buffer = ReplayBuffer::new(config.clone()).unwrap();
    for at in 0..30 {
        let (groups, scores) = groups_of(&prompts, &[at], &[at % 5]);
        let kept = buffer.push(groups[0].clone(), scores[0].clone(), at as u64 / 10);
        assert_eq!(kept, !(at % 5).is_multiple_of(4), "only mixed groups");
    }
    assert_eq!(buffer.len(), 10);
    let mut copy = ReplayBuffer::new(config).unwrap();
    copy.restore(&buffer.state().unwrap()).unwrap();
    for _ in 0..3 {
        let (a, b) = (buffer.sample(6, 4), copy.sample(6, 4));
        assert_eq!(a, b);
        assert!(a.iter().all(|known| known.version >= 2 && known.uses <= 2));
    }
    assert!(buffer.sample(6, 5).is_empty());
    let by_priority = ReplayConfig { decay: Some(2.0), ..ReplayConfig::default() };
    let mut buffer = ReplayBuffer::new(by_priority).unwrap();
    for (at, version) in [(0, 5), (1, 6), (2, 4)] {
        let (groups, scores) = groups_of(&prompts, &[at], &[2]);
        buffer.push(groups[0].clone(), scores[0].clone(), version);
    }
    let versions = |buffer: &mut ReplayBuffer| buffer.sample(1, 6)[0].version;
    // 6 - 2 uses: 6, then 5 (5 against 4, 4), then 4 (6 - 2 = 4 and 4 - 0: either).
    assert_eq!((versions(&mut buffer), versions(&mut buffer)), (6, 5));
}

#[test]
fn dynamic_sampling_keeps_books() {
    use refire_core::GroupFilter;
    let prompts = prompts(&LADDER, 20);
    let mut filter = DynamicSampling::new(Success::default());
    assert_eq!(filter.to_ask(16), 16);
    let mut kept = 0;
    for at in 0..100 {
        let (groups, scores) = groups_of(&prompts, &[at], &[at % 5]);
        kept += u64::from(filter.keep(&groups[0], &scores[0]).unwrap());
    }
    let counts = filter.counts();
    assert_eq!((counts.failed, counts.solved, counts.mixed, kept), (20, 20, 60, 60));
    assert!((25..29).contains(&filter.to_ask(16)), "{}", filter.to_ask(16));
    let (groups, _) = groups_of(&prompts, &[0], &[0]);
    assert!(!filter.keep(&groups[0], &[Score::unscorable("?")]).unwrap());
    let mut copy = DynamicSampling::new(Success::default());
    copy.restore(&filter.state().unwrap()).unwrap();
    assert_eq!((copy.counts(), copy.to_ask(9)), (filter.counts(), filter.to_ask(9)));
}

/// As a source of groups beside rollouts: what a step shows comes out in later steps only.
#[test]
fn replay_serves_earlier_rollouts() {
    let config = ReplayConfig { mixed_only: false, max_staleness: 1, ..ReplayConfig::default() };
    let mut buffer = ReplayBuffer::new(config).unwrap();
    let step = |buffer: &mut ReplayBuffer, version: u32| {
        let prompt = Prompt { id: u64::from(version), ..Prompt::default() };
        let mut group = Group::demonstration(prompt, vec![1, 2]);
        group.completions[0].versions = vec![version; 2];
        buffer.observe(&[group], &[vec![Score::value(1.0)]]);
        let served = BatchSource::next(buffer, 4).unwrap();
        served.iter().map(|(group, _)| group.request.prompt.id).collect::<Vec<_>>()
    };
    assert!(step(&mut buffer, 0).is_empty());
    assert_eq!(step(&mut buffer, 1), [0]);
    assert_eq!(step(&mut buffer, 2), [1], "version 0 is too old");
    let mut copy = ReplayBuffer::new(ReplayConfig::default()).unwrap();
    copy.restore(&buffer.state().unwrap()).unwrap();
    assert_eq!(copy.len(), buffer.len());
}
