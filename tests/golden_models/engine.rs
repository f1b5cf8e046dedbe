use crate::reference::{Model, close, ids, query, values};
use refire::core::{BoxError, Flow, Prompt, Request, RolloutEngine, SamplingParams};
use refire::objective::{Policy, TokenBatch};
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

/// Sampled tokens have the log-probabilities that the trainer computes for them.
pub(crate) fn check(model: &Model) {
    let learner = model.learner();
    let text = Arc::new(Silent);
    let mut engine = LocalEngine::new(learner.handle(), text, EngineConfig::default()).unwrap();
    let request = |(id, sequence): (u64, &serde_json::Value)| Request {
        prompt: Prompt { id, tokens: ids(&sequence["input_ids"]), ..Prompt::default() },
        n: 2,
        params: SamplingParams { max_tokens: 9, seed: 3, ..SamplingParams::default() },
        ..Request::default()
    };
    let requests: Vec<Request> = (0..).zip(model.sequences()).map(request).collect();
    let groups = engine.generate(&requests, &mut |_| Flow::Continue).unwrap();
    for (request, group) in requests.iter().zip(&groups) {
        for completion in &group.completions {
            let pair = (&request.prompt.tokens[..], &completion.tokens[..]);
            let whole = pair.0.len() + pair.1.len();
            if crosses_a_border(model, pair.0.len(), whole) {
                continue;
            }
            let batch = TokenBatch::continuations([pair]);
            let stats = learner.token_stats(&batch, &query(&[1.0])).unwrap();
            let ours: Vec<f64> = completion.model_logprobs.iter().map(|p| f64::from(*p)).collect();
            close(&ours, &values(stats.logprobs), "log-probabilities of sampled tokens");
        }
    }
}

/// Whether the trainer reads the row with other frequencies than those it was begun with.
fn crosses_a_border(model: &Model, prompt: usize, whole: usize) -> bool {
    let ropes = model.decoder.config.layers.iter().filter_map(|layer| layer.rope.as_ref());
    let borders = ropes.filter_map(|rope| rope.border());
    borders.into_iter().any(|border| prompt <= border && whole > border)
}
