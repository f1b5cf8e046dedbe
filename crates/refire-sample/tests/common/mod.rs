//! A small model, its text, and where the reference data lies.

#![allow(dead_code, clippy::unwrap_used)]

use burn::tensor::Device;
use refire_core::{BoxError, Flow, Group, Prompt, Request, RolloutEngine, SamplingParams};
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
    let mut config = TinyLlama { context, ..TinyLlama::default() }.config();
    config.initializer_range = 0.12;
    Learner::new(Decoder::init(&config, 3, &Device::flex()), LearnerConfig::default())
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
