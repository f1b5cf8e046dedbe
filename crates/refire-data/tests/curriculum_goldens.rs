//! The published formula of each curriculum, by hand.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/learner.rs"]
mod learner;

use learner::*;
use refire_core::{BatchSource, Group, GroupFilter, Prompt, PromptSource, Score};
use refire_data::{
    Bandit, BanditConfig, CurriculumStage, Drive, DriveConfig, DynamicSampling, Exhausted,
    HardBuffer, KernelPredictor, Mixture, Prioritised, PrioritisedConfig, ReplayBuffer,
    ReplayConfig, Schedule, Staged, Success, Targeted, TargetedConfig, Tarot, Tier, TierWeights,
    UniformPrompts, Until, VarianceConfig, VarianceSampling, mixture_weights,
};
use std::collections::BTreeMap;

/// The published formula by hand: 2 of 4 right has mean |advantage| 1; 1 of 4 has
/// 2 sqrt(1/4 3/4) = 0.8660.
#[test]
fn the_bandits_formula() {
    let prompts = prompts(&[0.0, 1.0, 2.0], 2);
    let config = BanditConfig { alpha: 0.5, temperature: 0.4, ..BanditConfig::default() };
    let mut bandit = Bandit::new(pool(&prompts), config).unwrap();
    let (groups, scores) = groups_of(&prompts, &[0, 2], &[2, 1]);
    bandit.observe(&groups, &scores);
    let values: Vec<f64> = bandit.arms().iter().map(|arm| arm.1).collect();
    let expected = [0.5, 0.75_f64.sqrt() / 2.0, 0.0];
    assert!(values.iter().zip(expected).all(|(v, e)| (v - e).abs() < 1e-12), "{values:?}");
    bandit.observe(&groups[..1], &scores[..1]);
    let arms = bandit.arms();
    assert!(
        (arms[0].1 - 0.75).abs() < 1e-12 && (arms[1].1 - expected[1]).abs() < 1e-12,
        "others keep theirs"
    );
    // softmax([0.75, 0.4330127, 0] / 0.4)
    let expected = [0.622_634, 0.281_882, 0.095_484];
    for (arm, expected) in arms.iter().zip(expected) {
        assert!((arm.2 - expected).abs() < 1e-5, "{arms:?}");
    }
}

#[test]
fn the_other_formulas() {
    let prompts = prompts(&[0.0, 1.0, 2.0], 1);
    let config = PrioritisedConfig { momentum: 0.0, ..PrioritisedConfig::default() };
    let mut kimi = Prioritised::new(pool(&prompts), config).unwrap();
    let (groups, scores) = groups_of(&prompts, &[0, 1], &[1, 4]);
    kimi.observe(&groups, &scores);
    assert_eq!(kimi.weights(), [0.75, 0.02, 1.0]);

    // Outcome variances 3/16, 0 and (unseen) the best: stretched to 1, the floor, 1.
    let score = refire_data::VarianceScore { outcome: 1.0, trajectory: 0.0, ngram: 3 };
    let config = VarianceConfig { score, ..VarianceConfig::default() };
    let mut vas = VarianceSampling::new(pool(&prompts), config.clone()).unwrap();
    assert_eq!(vas.weights(), [1.0; 3], "equal scores don't stop the run");
    vas.observe(&groups, &scores);
    assert_eq!(vas.weights(), [1.0, 0.05, 1.0]);
    let half = VarianceConfig { momentum: 0.5, ..config };
    let mut vas = VarianceSampling::new(pool(&prompts), half).unwrap();
    vas.observe(&groups, &scores);
    let (groups, scores) = groups_of(&prompts, &[1, 2], &[2, 0]);
    vas.observe(&groups, &scores);
    // Scores 0.1875, 0.5 * 0 + 0.5 * 0.25 = 0.125 and 0.
    let expected = 0.05 + 0.95 * 0.125 / 0.1875;
    assert!((vas.weights()[1] - expected).abs() < 1e-12, "{:?}", vas.weights());

    let predictor = KernelPredictor::new(vec![vec![0.0], vec![1.0], vec![0.5]], 0.5, 1e-9).unwrap();
    let rates = predictor.predict(&[(0, 1.0, 1.0), (1, 0.0, 1.0)]);
    assert!((rates[2] - 0.5).abs() < 1e-8);
    // exp(0) against exp(-1 / (2 * 0.25)).
    assert!((rates[0] - 1.0 / (1.0 + (-2.0_f64).exp())).abs() < 1e-8, "{rates:?}");
}

/// DOTS: softmax of -|predicted - 0.5| / temperature, drawn without replacement. Rates predicted
/// 0.9, 0.5 and 0.2 with temperature 0.25: weights exp(-1.6), 1 and exp(-1.2).
#[test]
fn dots_draws_by_the_distance_from_its_target() {
    let prompts = prompts(&[0.0, 1.0, 2.0], 1);
    let features = [0.0, 100.0, 200.0].map(|x| vec![x]).to_vec();
    let weights = [(-1.6_f64).exp(), 1.0, (-1.2_f64).exp()];
    let total: f64 = weights.iter().sum();
    let mut first = [0_u32; 3];
    for seed in 0..4000 {
        let predictor = KernelPredictor::new(features.clone(), 1.0, 1e-12).unwrap();
        let config = TargetedConfig { temperature: 0.25, explore: 0, seed, ..Default::default() };
        let mut dots = Targeted::new(pool(&prompts), predictor, config).unwrap();
        let (groups, _) = groups_of(&prompts, &[0, 1, 2], &[0, 0, 0]);
        let scores = [9, 5, 2].map(|right: usize| {
            (0..10).map(|i| Score::value(f64::from(u8::from(i < right)))).collect::<Vec<_>>()
        });
        dots.observe(&groups, &scores);
        let near = |(a, b): (&f64, f64)| (a - b).abs() < 1e-9;
        assert!(dots.predicted().iter().zip([0.9, 0.5, 0.2]).all(near), "{:?}", dots.predicted());
        let batch = dots.next(3).unwrap();
        let mut drawn: Vec<u64> = batch.iter().map(|request| request.prompt.id).collect();
        first[(drawn[0] - 1000) as usize] += 1;
        drawn.sort_unstable();
        assert_eq!(drawn, [1000, 1001, 1002], "without replacement");
    }
    for (count, weight) in first.iter().zip(weights) {
        let (found, expected) = (f64::from(*count) / 4000.0, weight / total);
        assert!((found - expected).abs() < 3.0 * (expected / 4000.0).sqrt(), "{first:?}");
    }
}

/// TAROT's weights 0.15, 0.15, 0.35, 0.35 and its phases at 0.2, 0.4 and 0.6; the reward is divided
/// by the weights of the active tiers.
#[test]
fn tarots_tiers_and_phases() {
    use Tier::{Basic, Edge, High, Medium};
    let tests = [(Basic, true), (Basic, false), (Medium, true), (High, false), (Edge, true)];
    let weights = TierWeights::default();
    for (active, expected) in [
        (vec![Basic], 0.5),
        (vec![Basic, Medium], (0.075 + 0.15) / 0.3),
        (vec![Basic, Medium, High], 0.225 / 0.65),
        (Tier::ALL.to_vec(), 0.575),
    ] {
        let reward = weights.reward(&tests, &active).unwrap();
        assert!((reward - expected).abs() < 1e-12, "{active:?}: {reward}");
    }
    assert_eq!(weights.reward(&tests[..3], &[High]), None, "no test of an active tier");
    let phases = |schedule: Schedule| {
        [0.0, 0.19, 0.2, 0.4, 0.6, 1.0].map(|fraction| schedule.active(fraction).len())
    };
    assert_eq!(phases(Schedule::EasyFirst), [1, 1, 2, 3, 4, 4]);
    assert_eq!(phases(Schedule::HardFirst), [1, 1, 2, 3, 4, 4]);
    assert_eq!(phases(Schedule::Uniform), [4; 6]);
    assert_eq!(Schedule::HardFirst.active(0.4), [Medium, High, Edge]);
    let inner = UniformPrompts::new(pool(&prompts(&[0.0], 10)), 0);
    let mut source =
        Tarot::new(inner, Schedule::EasyFirst, weights, 10, Success::default()).unwrap();
    let served = source.next(10).unwrap();
    let active = |at: usize| served[at].prompt.meta["tarot"]["tiers"].as_array().unwrap().len();
    assert_eq!([0, 1, 2, 3, 4, 5, 6, 9].map(active), [1, 1, 2, 2, 3, 3, 4, 4]);
}

/// DRIVE: groups of 8, then of 64 on the hardest half, those never solved behind those sometimes
/// solved; then the hardest half of that half.
#[test]
fn drive_keeps_the_hardest() {
    let prompts = prompts(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 1);
    let config = DriveConfig { first_requests: 8, passes: 1, least: 1, ..DriveConfig::default() };
    let mut drive = Drive::new(pool(&prompts), config).unwrap();
    let first = drive.next(8).unwrap();
    assert!(first.iter().all(|request| request.n == 8) && drive.round() == 0);
    let right = [4, 3, 3, 2, 1, 1, 0, 0];
    let (groups, scores) = groups_of(&prompts, &[0, 1, 2, 3, 4, 5, 6, 7], &right);
    drive.observe(&groups, &scores);
    let second = drive.next(4).unwrap();
    let mut ids: Vec<u64> = second.iter().map(|request| request.prompt.id - 1000).collect();
    ids.sort_unstable();
    assert_eq!((ids, drive.round()), (vec![1, 3, 4, 5], 1), "rates 1/4, 1/4, 1/2, 3/4");
    assert!(second.iter().all(|request| request.n == 64));
    drive.next(1).unwrap();
    assert_eq!((drive.kept(), drive.round()), ([4, 5].as_slice(), 2));
}

/// ReLIFT: what all answers got wrong waits; a batch is the first so many, and the rest stays.
#[test]
fn relift_takes_what_nobody_solved() {
    let prompts = prompts(&[0.0], 6);
    let inner = UniformPrompts::new(pool(&prompts), 0);
    let mut source = HardBuffer::new(inner, 2, Success::default());
    let (groups, scores) = groups_of(&prompts, &[0, 1, 2, 3, 4], &[0, 1, 0, 4, 0]);
    source.observe(&groups[..1], &scores[..1]);
    assert!(source.take().is_none());
    source.observe(&groups, &scores);
    let ids = |batch: Vec<Prompt>| batch.iter().map(|p| p.id - 1000).collect::<Vec<_>>();
    assert_eq!(source.take().map(ids), Some(vec![0, 2]));
    assert_eq!((source.waiting().len(), source.waiting()[0].id), (1, 1004));
}

/// Light-R1's stages: on to the next when the last groups' pass rate is reached.
#[test]
fn stages_end_by_their_rule() {
    let prompts = prompts(&[0.0, 1.0], 2);
    let pool = pool(&prompts);
    let until = Until::PassRate { at_least: 0.5, over: 2 };
    let ranges = [(0.0, 0.0), (1.0, 1.0)];
    let stages = CurriculumStage::by_meta(&pool, "difficulty", &ranges, until);
    let mut staged = Staged::new(pool, stages, Success::default(), 0).unwrap();
    for (right, expected) in [([1, 2], 0), ([2, 1], 0), ([2, 2], 1)] {
        let (groups, scores) = groups_of(&prompts, &[0, 1], &right);
        staged.observe(&groups, &scores);
        let served = staged.next(1).unwrap()[0].prompt.id;
        assert_eq!((staged.stage(), served >= 1002), (expected, expected == 1), "{right:?}");
    }
}

/// DAPO's rule: groups with some right answers and some wrong ones, by accuracy.
#[test]
fn dapo_keeps_what_is_mixed() {
    let prompts = prompts(&[0.0], 5);
    let mut filter = DynamicSampling::new(Success { part: None, at_least: 0.5 });
    let (groups, scores) = groups_of(&prompts, &[0, 1, 2, 3, 4], &[0, 1, 2, 3, 4]);
    let kept: Vec<bool> =
        groups.iter().zip(&scores).map(|(g, s)| filter.keep(g, s).unwrap()).collect();
    assert_eq!(kept, [false, true, true, true, false]);
    // Three of five: 10 / 0.6.
    assert_eq!(filter.to_ask(10), 17);
}

/// Trinity's priority `version - 2 uses`, and its limit of three uses.
#[test]
fn replay_priorities() {
    let config = ReplayConfig {
        decay: Some(2.0),
        max_staleness: 100,
        mixed_only: false,
        ..ReplayConfig::default()
    };
    let mut buffer = ReplayBuffer::new(config).unwrap();
    for (id, version) in [(1, 9), (2, 6), (3, 2)] {
        let group = Group::demonstration(Prompt { id, ..Prompt::default() }, vec![1]);
        buffer.push(group, vec![Score::value(1.0)], version);
    }
    let served: Vec<u64> =
        (0..9).flat_map(|_| buffer.sample(1, 9)).map(|r| r.group.request.prompt.id).collect();
    // 9, 7 | 6; then 5 | 6 | 2, 5 | 4 | 2, used up | 4, 2 | 2, ...
    assert_eq!(served[..4], [1, 1, 2, 1]);
    assert_eq!(
        served.iter().fold([0; 4], |mut n, id| {
            n[*id as usize] += 1;
            n
        }),
        [0, 3, 3, 3]
    );
    // A step's own rollouts come out in later ones.
    let group = Group::demonstration(Prompt { id: 7, ..Prompt::default() }, vec![1]);
    buffer.observe(&[group], &[vec![Score::value(1.0)]]);
    assert!(BatchSource::next(&mut buffer, 4).unwrap().is_empty());
    assert_eq!(BatchSource::next(&mut buffer, 4).unwrap().len(), 1);
}

/// `w = n^(1/T)`, normalised, and the exact counts of a deficit round robin with them.
#[test]
fn mixtures_by_temperature() {
    let near = |(a, b): (&f64, f64)| (a - b).abs() < 1e-12;
    let weights = mixture_weights(&[1.0, 16.0, 81.0], 4.0);
    assert!(weights.iter().zip([1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0]).all(near), "{weights:?}");
    let all = prompts(&[0.0], 90);
    let sources = weights.iter().zip(all.chunks(30)).map(|(w, part)| (uniform(part, 0), *w));
    let mut mixture = Mixture::new(sources.collect(), Exhausted::Stop).unwrap();
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for request in mixture.next(60).unwrap() {
        *counts.entry((request.prompt.id - 1000) / 30).or_default() += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [10, 20, 30]);
}
