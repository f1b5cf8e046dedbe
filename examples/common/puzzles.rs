//! Countdown for the examples on preferences: a model that has read worked solutions, and pairs of
//! its own right and wrong ones.

use refire::burn::tensor::Device;
use refire::core::{
    BoxError, Completion, Finish, Flow, Preference, Request, RolloutEngine, SamplingParams,
};
use refire::model::{Decoder, Learner, LearnerConfig, TinyLlama, WeightHandle};
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use refire::sft::loss::Nll;
use refire::tasks::countdown::{Codec, Config, Problem, Prompts, WarmUp, split, verify};
use refire::train::{Decay, MicroBatch, Progress, Schedule, SftConfig, SftTrainer};
use std::sync::Arc;

/// Problems to make pairs of, and others to examine models on.
pub(crate) struct Puzzles {
    codec: Codec,
    pub(crate) train: Vec<Problem>,
    pub(crate) held_out: Vec<Problem>,
    seed: u64,
}

/// A problem with what a model made of it, and which of that is right.
pub(crate) struct Attempts {
    pub(crate) id: u64,
    pub(crate) prompt: Vec<u32>,
    pub(crate) completions: Vec<Completion>,
    pub(crate) right: Vec<bool>,
}

pub(crate) const MICRO_BATCH: MicroBatch = MicroBatch { rows: 1_024, tokens: 32_768 };

impl Puzzles {
    pub(crate) fn new(seed: u64) -> Result<Self, BoxError> {
        let rules = Config { max_number: 13, ..Config::default() };
        let (train, held_out) = split(rules.problems()?, 400, seed)?;
        Ok(Self { codec: Codec::new(rules.max_value), train, held_out, seed })
    }

    /// A decoder of about 230 thousand parameters that has read worked solutions for some steps.
    pub(crate) fn warm_start(&self, steps: u64) -> Result<Decoder, BoxError> {
        let shape = TinyLlama {
            vocab_size: self.codec.vocab_size(),
            intermediate_size: 256,
            end_token: self.codec.end_token(),
            ..TinyLlama::default()
        };
        let learner = learner(Decoder::init(&shape.config(), self.seed, &Device::flex()));
        let weights = learner.handle();
        let config = SftConfig {
            steps,
            rows_per_step: 128,
            micro_batch: MICRO_BATCH,
            learning_rate: 2e-3,
            schedule: Schedule { warmup_steps: 20, decay: Decay::Cosine { final_fraction: 0.1 } },
            ..SftConfig::default()
        };
        let rows = WarmUp::new(self.train.clone(), self.codec, 99, self.seed)?;
        let objective = Box::new(Nll::default());
        SftTrainer::new(Box::new(learner), Box::new(rows), objective, config)?
            .with_callback(Progress::new())
            .run()?;
        Ok(weights.with(|decoder, _| decoder.clone())?)
    }

    /// What a model answers, `n` times each, at temperature 1.
    pub(crate) fn attempts(
        &self,
        weights: &WeightHandle,
        problems: &[Problem],
        n: usize,
    ) -> Result<Vec<Attempts>, BoxError> {
        let text = Arc::new(Text { codec: self.codec, end: [self.codec.end_token()] });
        let mut engine = LocalEngine::new(weights.clone(), text, EngineConfig::default())?;
        let params = SamplingParams { max_tokens: 13, seed: self.seed, ..Default::default() };
        let requests = problems.iter().map(|problem| Request {
            prompt: Prompts::prompt(problem, self.codec, self.seed, 0),
            n,
            params: params.clone(),
            ..Request::default()
        });
        let requests: Vec<Request> = requests.collect();
        let groups = engine.generate(&requests, &mut |_| Flow::Continue)?;
        let attempts = problems.iter().zip(groups).map(|(problem, group)| Attempts {
            id: group.request.prompt.id,
            prompt: group.request.prompt.tokens,
            right: group.completions.iter().map(|c| right(problem, c)).collect(),
            completions: group.completions,
        });
        Ok(attempts.collect())
    }
}

impl Attempts {
    /// Right answers paired with wrong ones, at most `limit` pairs.
    pub(crate) fn pairs(&self, limit: usize) -> Vec<Preference> {
        let of = |right: bool| {
            let judged = self.completions.iter().zip(&self.right);
            judged.filter(move |(_, r)| **r == right).map(|(completion, _)| &completion.tokens)
        };
        let pairs = of(true).zip(of(false)).take(limit).map(|(chosen, rejected)| {
            Preference::pair(self.id, self.prompt.clone(), chosen.clone(), rejected.clone())
        });
        pairs.collect()
    }
}

/// Share of right answers.
pub(crate) fn accuracy(attempts: &[Attempts]) -> f64 {
    let right: usize = attempts.iter().flat_map(|a| &a.right).filter(|right| **right).count();
    right as f64 / attempts.iter().map(|a| a.right.len()).sum::<usize>().max(1) as f64
}

pub(crate) fn learner(decoder: Decoder) -> Learner {
    Learner::new(decoder, LearnerConfig { shards: 2, ..LearnerConfig::default() })
}

fn right(problem: &Problem, completion: &Completion) -> bool {
    matches!(completion.finish, Finish::EndToken { .. })
        && verify(problem, &completion.text).is_ok()
}

/// The task's vocabulary, as an engine needs it.
struct Text {
    codec: Codec,
    end: [u32; 1],
}

impl Detokenize for Text {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        Ok(self.codec.text(tokens))
    }
    fn end_tokens(&self) -> &[u32] {
        &self.end
    }
}
