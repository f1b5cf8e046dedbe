//! A simulated learner, and every curriculum over its prompts.
#![allow(dead_code)]

use refire_core::{
    Completion, Finish, Group, Prompt, PromptSource, Purpose, Request, SamplingParams, Score,
    Stream,
};
use refire_data::{
    Bandit, BanditConfig, CurriculumStage, Drive, DriveConfig, Exhausted, HardBuffer,
    KernelPredictor, Mixture, Pool, Prioritised, PrioritisedConfig, Schedule, Staged, Success,
    Targeted, TargetedConfig, Tarot, Tier, TierWeights, UniformPrompts, Until, VarianceConfig,
    VarianceSampling, WarmUpRollouts,
};

pub(crate) fn draw(seed: u64, id: u64, sample: u64) -> Stream {
    Stream::new(seed, Purpose::named("simulation"), 0, id, sample)
}

/// Prompts of known difficulty, `n` at each level; the level is the category.
pub(crate) fn prompts(levels: &[f64], n: usize) -> Vec<Prompt> {
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

pub(crate) fn difficulty(prompt: &Prompt) -> f64 {
    prompt.meta["difficulty"].as_f64().unwrap()
}

pub(crate) fn pool(prompts: &[Prompt]) -> Pool {
    Pool::new(prompts.to_vec(), 8, SamplingParams::default()).unwrap()
}

/// A learner of one skill. It solves a prompt with the probability of Rasch's model, and gains by
/// the variance of the rewards within groups: the size of a policy gradient.
#[derive(Debug, Clone)]
pub(crate) struct Learner {
    pub(crate) skill: f64,
    pub(crate) rate: f64,
    pub(crate) seed: u64,
}

impl Learner {
    pub(crate) fn new(skill: f64, seed: u64) -> Self {
        Self { skill, rate: 0.4, seed }
    }

    pub(crate) fn chance(&self, difficulty: f64) -> f64 {
        1.0 / (1.0 + (difficulty - self.skill).exp())
    }

    pub(crate) fn completion() -> Completion {
        Completion { finish: Finish::Length, ..Completion::given(Vec::new()) }
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

    pub(crate) fn answer(&self, requests: &[Request]) -> (Vec<Group>, Vec<Vec<Score>>) {
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

    pub(crate) fn learn(&mut self, scores: &[Vec<Score>]) {
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
pub(crate) fn train(
    source: &mut dyn PromptSource,
    mut learner: Learner,
    batches: usize,
    size: usize,
) -> f64 {
    for _ in 0..batches {
        let requests = source.next(size).unwrap();
        let (groups, scores) = learner.answer(&requests);
        source.observe(&groups, &scores);
        learner.learn(&scores);
    }
    learner.skill
}

pub(crate) const LADDER: [f64; 8] = [-2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0, 8.0];
pub(crate) const MOSTLY_EASY: [f64; 8] = [-9.0, -8.0, -7.0, -7.0, -6.0, -6.0, -5.0, 1.0];

pub(crate) fn bandit(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let config = BanditConfig { temperature: 0.2, seed, ..BanditConfig::default() };
    Box::new(Bandit::new(pool(prompts), config).unwrap())
}

pub(crate) fn variance(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let config = VarianceConfig { mixture: 0.75, seed, ..VarianceConfig::default() };
    Box::new(VarianceSampling::new(pool(prompts), config).unwrap())
}

pub(crate) fn targeted(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    // A noisy idea of the difficulty, as an embedding would give.
    let feature = |prompt: &Prompt| vec![difficulty(prompt) + 0.3 * draw(9, prompt.id, 0).normal()];
    let predictor = KernelPredictor::new(prompts.iter().map(feature).collect(), 0.5, 1e-3).unwrap();
    let config = TargetedConfig { temperature: 0.05, seed, ..TargetedConfig::default() };
    Box::new(Targeted::new(pool(prompts), predictor, config).unwrap())
}

pub(crate) fn staged(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
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

pub(crate) fn prioritised(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    Box::new(
        Prioritised::new(pool(prompts), PrioritisedConfig { seed, ..PrioritisedConfig::default() })
            .unwrap(),
    )
}

pub(crate) fn drive(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
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

pub(crate) fn tarot(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let inner = UniformPrompts::new(pool(prompts), seed);
    let source =
        Tarot::new(inner, Schedule::Portfolio, TierWeights::default(), 60 * 32, Success::default());
    Box::new(source.unwrap().with_portfolio(64, 0.5))
}

pub(crate) fn hard_buffer(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    Box::new(HardBuffer::new(UniformPrompts::new(pool(prompts), seed), 24, Success::default()))
}

pub(crate) fn warm_up(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    Box::new(WarmUpRollouts::new(UniformPrompts::new(pool(prompts), seed), 50))
}

pub(crate) fn mixture(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    let (a, b) = prompts.split_at(prompts.len() / 2);
    let sources = vec![(variance(a, seed), 0.7), (bandit(b, seed + 1), 0.3)];
    Box::new(Mixture::new(sources, Exhausted::GoOn).unwrap())
}

pub(crate) fn groups_of(
    prompts: &[Prompt],
    ids: &[usize],
    right: &[usize],
) -> (Vec<Group>, Vec<Vec<Score>>) {
    let group = |at: &usize| Group {
        request: Request { prompt: prompts[*at].clone(), n: 4, ..Request::default() },
        completions: vec![Learner::completion(); 4],
    };
    let scores =
        |right: &usize| (0..4).map(|i| Score::value(f64::from(u8::from(i < *right)))).collect();
    (ids.iter().map(group).collect(), right.iter().map(scores).collect())
}

pub(crate) type Factory = fn(&[Prompt], u64) -> Box<dyn PromptSource>;

pub(crate) fn uniform(prompts: &[Prompt], seed: u64) -> Box<dyn PromptSource> {
    Box::new(UniformPrompts::new(pool(prompts), seed))
}

pub(crate) const ALL: [(&str, Factory); 11] = [
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
