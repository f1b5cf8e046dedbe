//! Curricula against a simulated learner: better than uniform, and exactly resumable.
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{
    Completion, Finish, Group, Prompt, PromptSource, Purpose, Request, SamplingParams, Score,
    Stateful, Stream, encode_state,
};
use refire_data::{
    Bandit, BanditConfig, CurriculumStage, Drive, DriveConfig, DynamicSampling, Exhausted,
    HardBuffer, KernelPredictor, Mixture, Pool, Prioritised, PrioritisedConfig, ReplayBuffer,
    ReplayConfig, Schedule, Staged, Success, Targeted, TargetedConfig, Tarot, Tier, TierWeights,
    UniformPrompts, Until, VarianceConfig, VarianceSampling, WarmUpRollouts,
};
use std::collections::BTreeMap;

fn draw(seed: u64, id: u64, sample: u64) -> Stream {
    Stream::new(seed, Purpose::named("simulation"), 0, id, sample)
}

/// Prompts of known difficulty, `n` at each level; the level is the category.
fn prompts(levels: &[f64], n: usize) -> Vec<Prompt> {
    let mut prompts = Vec::new();
    for (level, difficulty) in levels.iter().enumerate() {
        for _ in 0..n {
            let mut prompt = Prompt { id: 1000 + prompts.len() as u64, ..Prompt::default() };
            prompt.meta.insert("category".to_owned(), format!("level {level}").into());
            prompt.meta.insert("difficulty".to_owned(), (*difficulty).into());
            prompts.push(prompt);
        }
    }
    prompts
}

fn difficulty(prompt: &Prompt) -> f64 {
    prompt.meta["difficulty"].as_f64().unwrap()
}

fn pool(prompts: &[Prompt]) -> Pool {
    Pool::new(prompts.to_vec(), 8, SamplingParams::default()).unwrap()
}

/// A learner of one skill. It solves a prompt with the probability of Rasch's model, and gains by
/// the variance of the rewards within groups: the size of a policy gradient.
#[derive(Debug, Clone)]
struct Learner {
    skill: f64,
    rate: f64,
    seed: u64,
}

impl Learner {
    fn new(skill: f64, seed: u64) -> Self {
        Self { skill, rate: 0.4, seed }
    }

    fn chance(&self, difficulty: f64) -> f64 {
        1.0 / (1.0 + (difficulty - self.skill).exp())
    }

    fn completion() -> Completion {
        Completion {
            tokens: Vec::new(),
            loss_mask: Vec::new(),
            model_logprobs: Vec::new(),
            behaviour_logprobs: Vec::new(),
            versions: Vec::new(),
            turns: Vec::new(),
            text: String::new(),
            finish: Finish::Length,
        }
    }

    /// Tests of the tiers are harder or easier than the prompt.
    fn tier_score(&self, request: &Request, draw: &mut Stream) -> Option<f64> {
        let active: Vec<Tier> =
            serde_json::from_value(request.prompt.meta.get("tarot")?["tiers"].clone()).unwrap();
        let shifts = [-2.0, 0.0, 2.0, 3.0];
        let tests: Vec<(Tier, bool)> = Tier::ALL
            .iter()
            .zip(shifts)
            .map(|(tier, shift)| {
                (*tier, draw.uniform() < self.chance(difficulty(&request.prompt) + shift))
            })
            .collect();
        TierWeights::default().reward(&tests, &active)
    }

    fn answer(&self, requests: &[Request]) -> (Vec<Group>, Vec<Vec<Score>>) {
        let one = |request: &Request| {
            let score = |sample: usize| {
                let mut draw = draw(self.seed + request.visit, request.prompt.id, sample as u64);
                let right = || self.chance(difficulty(&request.prompt));
                let value = self.tier_score(request, &mut draw);
                value.unwrap_or_else(|| f64::from(u8::from(draw.uniform() < right())))
            };
            let scores: Vec<Score> = (0..request.n).map(|i| Score::value(score(i))).collect();
            let completions = vec![Self::completion(); request.n];
            (Group { request: request.clone(), completions }, scores)
        };
        requests.iter().map(one).unzip()
    }

    fn learn(&mut self, scores: &[Vec<Score>]) {
        let variance = |scores: &Vec<Score>| {
            let values: Vec<f64> = scores.iter().map(|s| s.total().unwrap()).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64
        };
        self.skill +=
            self.rate * scores.iter().map(variance).sum::<f64>() / scores.len().max(1) as f64;
    }
}

/// Skill after some batches of a source.
fn train(source: &mut dyn PromptSource, mut learner: Learner, batches: usize, size: usize) -> f64 {
    for _ in 0..batches {
        let requests = source.next(size).unwrap();
        let (groups, scores) = learner.answer(&requests);
        source.observe(&groups, &scores);
        learner.learn(&scores);
    }
    learner.skill
}

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

const LADDER: [f64; 8] = [-2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0, 8.0];
const MOSTLY_EASY: [f64; 8] = [-9.0, -8.0, -7.0, -7.0, -6.0, -6.0, -5.0, 1.0];

fn bandit(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let config = BanditConfig { temperature: 0.2, seed, ..BanditConfig::default() };
    Box::new(Bandit::new(pool(prompts), config).unwrap())
}

fn variance(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let config = VarianceConfig { mixture: 0.75, seed, ..VarianceConfig::default() };
    Box::new(VarianceSampling::new(pool(prompts), config).unwrap())
}

fn targeted(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    // A noisy idea of the difficulty, as an embedding would give.
    let feature = |prompt: &Prompt| vec![difficulty(prompt) + 0.3 * draw(9, prompt.id, 0).normal()];
    let predictor = KernelPredictor::new(prompts.iter().map(feature).collect(), 0.5, 1e-3).unwrap();
    let config = TargetedConfig { temperature: 0.05, seed, ..TargetedConfig::default() };
    Box::new(Targeted::new(pool(prompts), predictor, config).unwrap())
}

fn staged(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let pool = pool(prompts);
    let ranges = [(-9.0, -1.0), (-1.0, 0.0), (0.0, 1.0), (1.0, 2.0), (2.0, 9.0)];
    let stages = CurriculumStage::by_meta(
        &pool,
        "difficulty",
        &ranges,
        Until::PassRate { at_least: 0.7, over: 64 },
    );
    Box::new(Staged::new(pool, stages, Success::default(), seed).unwrap())
}

fn prioritised(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    Box::new(
        Prioritised::new(pool(prompts), PrioritisedConfig { seed, ..PrioritisedConfig::default() })
            .unwrap(),
    )
}

fn drive(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let config = DriveConfig {
        first_requests: 640,
        second_group: 16,
        retain: 0.4,
        least: 24,
        seed,
        ..DriveConfig::default()
    };
    Box::new(Drive::new(pool(prompts), config).unwrap())
}

fn tarot(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let inner = UniformPrompts::new(pool(prompts), seed);
    let source =
        Tarot::new(inner, Schedule::Portfolio, TierWeights::default(), 60 * 32, Success::default());
    Box::new(source.unwrap().with_portfolio(64, 0.5))
}

fn hard_buffer(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    Box::new(HardBuffer::new(UniformPrompts::new(pool(prompts), seed), 24, Success::default()))
}

fn warm_up(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    Box::new(WarmUpRollouts::new(UniformPrompts::new(pool(prompts), seed), 50))
}

fn mixture(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let (a, b) = prompts.split_at(prompts.len() / 2);
    let sources = vec![(variance(a, seed), 0.7), (bandit(b, seed + 1), 0.3)];
    Box::new(Mixture::new(sources, Exhausted::GoOn).unwrap())
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

/// A demonstration of a prompt nobody solves teaches what no reward can.
#[test]
fn demonstrations_of_hard_prompts_help_where_rewards_are_silent() {
    let prompts = prompts(&[6.0, 7.0, 8.0], 40);
    let mut source =
        HardBuffer::new(UniformPrompts::new(pool(&prompts), 0), 24, Success::default());
    let (mut with, mut without) = (Learner::new(-2.0, 0), Learner::new(-2.0, 0));
    let mut plain = UniformPrompts::new(pool(&prompts), 0);
    let mut batches = 0;
    for _ in 0..40 {
        let requests = source.next(32).unwrap();
        let (groups, scores) = with.answer(&requests);
        source.observe(&groups, &scores);
        with.learn(&scores);
        if let Some(batch) = source.take() {
            assert_eq!(batch.len(), 24);
            batches += 1;
            with.skill += 0.2;
        }
        let (_, scores) = without.answer(&plain.next(32).unwrap());
        without.learn(&scores);
    }
    assert!(batches > 10 && with.skill > without.skill + 2.0, "{batches} {with:?} {without:?}");
    assert!(source.waiting().len() < 120 && source.gathered() >= 24 * batches);
}

type Factory = fn(&[Prompt], u64) -> Box<dyn PromptSource>;

fn uniform(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    Box::new(UniformPrompts::new(pool(prompts), seed))
}

const ALL: [(&str, Factory); 11] = [
    ("uniform", uniform),
    ("staged", staged),
    ("bandit", bandit),
    ("variance", variance),
    ("targeted", targeted),
    ("prioritised", prioritised),
    ("drive", drive),
    ("tarot", tarot),
    ("hard buffer", hard_buffer),
    ("warm-up", warm_up),
    ("mixture", mixture),
];

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

#[test]
fn states_of_other_data_are_refused() {
    let (some, other) = (prompts(&LADDER, 20), prompts(&LADDER, 21));
    for (name, build) in ALL {
        let state = build(&some, 0).state().unwrap();
        assert!(build(&other, 0).restore(&state).is_err(), "{name}");
        assert!(build(&some, 0).restore(b"nonsense").is_err(), "{name}");
    }
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

fn groups_of(prompts: &[Prompt], ids: &[usize], right: &[usize]) -> (Vec<Group>, Vec<Vec<Score>>) {
    let group = |at: &usize| Group {
        request: Request { prompt: prompts[*at].clone(), n: 4, ..Request::default() },
        completions: vec![Learner::completion(); 4],
    };
    let scores =
        |right: &usize| (0..4).map(|i| Score::value(f64::from(u8::from(i < *right)))).collect();
    (ids.iter().map(group).collect(), right.iter().map(scores).collect())
}

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
