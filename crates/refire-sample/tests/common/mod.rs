//! A small model, its text, and where the reference data lies.

#![allow(dead_code, clippy::unwrap_used)]

use burn::tensor::Device;
use refire_core::{
    BoxError, BudgetForcing, Dry, Flow, Group, LengthDecay, Mirostat, MirostatVersion, Order,
    Prompt, Request, RolloutEngine, SamplingParams, SequenceBias, Xtc,
};
use refire_model::{Decoder, Learner, LearnerConfig, ModelConfig, TinyLlama, load_weights};
use refire_sample::{Detokenize, EngineConfig, LocalEngine};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Token `t` is the character with that number; 0 ends a reply.
pub(crate) struct Letters(pub(crate) Vec<u32>);

impl Detokenize for Letters {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        Ok(tokens.iter().filter_map(|t| char::from_u32(*t)).collect())
    }
    fn end_tokens(&self) -> &[u32] {
        &self.0
    }
}

/// A model whose logits are far from flat.
pub(crate) fn learner(context: usize) -> Learner {
    learner_of(context, 3)
}

/// The same with other weights.
pub(crate) fn learner_of(context: usize, seed: u64) -> Learner {
    let mut config = TinyLlama { context, ..TinyLlama::default() }.config();
    config.initializer_range = 0.12;
    Learner::new(Decoder::init(&config, seed, &Device::flex()), LearnerConfig::default())
}

pub(crate) fn open(dir: &Path) -> Learner {
    let config = ModelConfig::read(dir).unwrap();
    let decoder = load_weights(dir, &config, &Device::flex()).unwrap();
    Learner::new(decoder, LearnerConfig::default())
}

pub(crate) fn engine_with(learner: &Learner, ends: &[u32], config: EngineConfig) -> LocalEngine {
    LocalEngine::new(learner.handle(), Arc::new(Letters(ends.to_vec())), config).unwrap()
}

pub(crate) fn engine(learner: &Learner) -> LocalEngine {
    engine_with(learner, &[0], EngineConfig::default())
}

pub(crate) fn request(id: u64, n: usize, params: SamplingParams) -> Request {
    let length = 2 + id as usize % 9;
    let tokens = (0..length as u32).map(|i| 1 + (id as u32 * 31 + i * 17) % 100).collect();
    let prompt = Prompt { id: 1000 + id, tokens, ..Default::default() };
    Request { id, prompt, n, params, ..Default::default() }
}

/// Parameters that use every processor, alone and together, in every order.
pub(crate) fn processors() -> Vec<SamplingParams> {
    let base = SamplingParams { max_tokens: 24, stop_tokens: vec![90, 91], ..Default::default() };
    let with = |change: &dyn Fn(&mut SamplingParams)| {
        let mut params = base.clone();
        change(&mut params);
        params
    };
    let bias = |tokens: &[u32], bias| SequenceBias { tokens: tokens.to_vec(), bias };
    let mirostat = |version, tau| Some(Mirostat { version, tau, eta: 0.2 });
    let mut all = vec![
        with(&|p| p.typical_p = Some(0.6)),
        with(&|p| p.top_h = Some(0.7)),
        with(&|p| p.top_n_sigma = Some(1.2)),
        with(&|p| p.epsilon_cutoff = Some(0.01)),
        with(&|p| p.eta_cutoff = Some(0.02)),
        with(&|p| p.xtc = Some(Xtc { probability: 0.5, threshold: 0.02 })),
        with(&|p| p.mirostat = mirostat(MirostatVersion::V1, 3.0)),
        with(&|p| p.mirostat = mirostat(MirostatVersion::V2, 3.0)),
        with(&|p| p.repetition_penalty = 1.3),
        with(&|p| (p.frequency_penalty, p.presence_penalty) = (0.7, 0.3)),
        with(&|p| p.dry = Some(Dry { allowed_length: 1, ..Dry::default() })),
        with(&|p| p.no_repeat_ngram = Some(1)),
        with(&|p| p.logit_bias = [(5, 3.0), (6, -3.0)].into()),
        with(&|p| p.sequence_bias = vec![bias(&[5], 2.0), bias(&[5, 6], 4.0)]),
        with(&|p| p.allowed_tokens = Some((20..60).collect())),
        with(&|p| p.suppress_tokens = (0..100).collect()),
        with(&|p| p.bad_words = (0..100).map(|t| vec![t, t + 1]).collect()),
        with(&|p| p.forced_tokens = vec![4, 5, 6]),
        with(&|p| p.force_end = true),
        with(&|p| p.length_decay = Some(LengthDecay { start: 3, factor: 1.5 })),
        with(&|p| (p.min_tokens, p.remove_invalid) = (12, true)),
        with(&|p| (p.stop, p.include_stop) = (('A'..='Z').map(String::from).collect(), true)),
        with(&|p| {
            let ends = (30..60).collect();
            let (wait, answer) = (vec![87, 97], vec![65, 58]);
            p.budget = Some(BudgetForcing { ends, wait, waits: 2, budget: Some(12), answer });
        }),
    ];
    for order in [Order::Transformers, Order::Vllm, Order::LlamaCpp] {
        let mut together = with(&|p| {
            (p.temperature, p.top_k, p.top_p, p.min_p) = (0.8, Some(40), Some(0.95), Some(0.02));
            (p.typical_p, p.xtc, p.dry) = (Some(0.9), Some(Xtc::default()), Some(Dry::default()));
            (p.repetition_penalty, p.frequency_penalty) = (1.1, 0.2);
            (p.penalty_last_n, p.no_repeat_ngram, p.min_tokens) = (Some(16), Some(3), 5);
        });
        together.order = order;
        all.push(SamplingParams { temperature: 0.0, ..together.clone() });
        all.push(together);
        let mirostat = mirostat(MirostatVersion::V2, 4.0);
        all.push(SamplingParams { order, mirostat, repetition_penalty: 1.2, ..base.clone() });
    }
    all
}

pub(crate) fn generate(engine: &mut LocalEngine, requests: &[Request]) -> Vec<Group> {
    engine.generate(requests, &mut |_| Flow::Continue).unwrap()
}

/// A folder of the reference data, or `None` after saying that the test is skipped.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var("REFIRE_TEST_DATA").unwrap_or_else(|_| default.to_owned());
    let path = Path::new(&root).join(folder);
    if !path.exists() {
        println!("skipped: {} is not there (set REFIRE_TEST_DATA)", path.display());
        return None;
    }
    Some(path)
}
