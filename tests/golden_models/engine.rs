use crate::reference::{Model, close, ids, query, values};
use refire::core::{BoxError, Flow, Prompt, Request, RolloutEngine, SamplingParams};
use refire::objective::{Dtype, Policy, TokenBatch};
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use std::sync::Arc;

/// Text that nobody reads, and no token that ends it.
struct Silent;

impl Detokenize for Silent {
    fn text(&self, _: &[u32]) -> Result<String, BoxError> {
        Ok(String::new())
    }
    fn end_tokens(&self) -> &[u32] {
        &[]
    }
}

/// Sampled tokens have the log-probabilities that the trainer computes for them; weights that
/// decoding reads in 16 bits move them by little.
pub(crate) fn check(model: &Model) {
    for (mine, theirs) in sampled(model, Dtype::F32) {
        close(&mine, &theirs, "log-probabilities of sampled tokens");
    }
    let pairs = sampled(model, Dtype::Bf16);
    let gaps = pairs.iter().flat_map(|(mine, theirs)| mine.iter().zip(theirs));
    let gaps: Vec<f64> = gaps.map(|(a, b)| (a - b).abs()).collect();
    let (mean, max) = (
        gaps.iter().sum::<f64>() / gaps.len().max(1) as f64,
        gaps.iter().copied().fold(0.0, f64::max),
    );
    println!("log-probabilities from bfloat16 weights: {mean:.5} off on average, {max:.5} at most");
    // A router that decides otherwise moves single ones by much.
    assert!(mean < 0.2, "{mean} {max}");
}

/// Log-probabilities of sampled tokens by the engine and by the trainer.
fn sampled(model: &Model, decode_dtype: Dtype) -> Vec<(Vec<f64>, Vec<f64>)> {
    let learner = model.learner();
    let config = EngineConfig { decode_dtype, ..EngineConfig::default() };
    let mut engine = LocalEngine::new(learner.handle(), Arc::new(Silent), config).unwrap();
    let request = |(id, sequence): (u64, &serde_json::Value)| Request {
        prompt: Prompt { id, tokens: ids(&sequence["input_ids"]), ..Prompt::default() },
        n: 2,
        params: SamplingParams { max_tokens: 9, seed: 3, ..SamplingParams::default() },
        ..Request::default()
    };
    let requests: Vec<Request> = (0..).zip(model.sequences()).map(request).collect();
    let groups = engine.generate(&requests, &mut |_| Flow::Continue).unwrap();
    let mut pairs = Vec::new();
    for (request, group) in requests.iter().zip(&groups) {
        for completion in &group.completions {
            let pair = (&request.prompt.tokens[..], &completion.tokens[..]);
            let whole = pair.0.len() + pair.1.len();
            if crosses_a_border(model, pair.0.len(), whole) {
                continue;
            }
            let batch = TokenBatch::continuations([pair]);
            let stats = learner.token_stats(&batch, &query(&[1.0])).unwrap();
            let ours = completion.model_logprobs.iter().map(|p| f64::from(*p)).collect();
            pairs.push((ours, values(stats.logprobs)));
        }
    }
    pairs
}

/// Whether the trainer reads the row with other frequencies than those it was begun with.
fn crosses_a_border(model: &Model, prompt: usize, whole: usize) -> bool {
    let ropes = model.decoder.config.layers.iter().filter_map(|layer| layer.rope.as_ref());
    let borders = ropes.filter_map(|rope| rope.border());
    borders.into_iter().any(|border| prompt <= border && whole > border)
}
