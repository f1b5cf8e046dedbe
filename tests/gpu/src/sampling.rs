//! Completions from weights on the GPU. Decoded on the CPU, which takes a copy of the weights, they
//! are those of weights on the CPU to the last bit; decoded on the GPU, but for rounding. What the
//! learner finds for them on the GPU agrees with both.

use crate::tally::Tally;
use crate::training::options;
use refire::burn::tensor::Device;
use refire::core::{
    BoxError, Completion, Flow, Needs, Prompt, Request, RolloutEngine, SamplingParams, WeightUpdate,
};
use refire::model::{DecodeOn, Decoder, Learner, ModelConfig};
use refire::objective::{HeadQuery, Policy, TokenBatch, padded};
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use std::sync::Arc;

/// Decoding sums in another order than the learner, here over rows of up to 20 tokens; both are
/// log-probabilities, whose absolute difference is the relative one of probabilities.
const LOGPROBS: f64 = 1e-4;

const TEMPERATURE: f32 = 0.8;

/// Greedy and drawn completions, and their log-probabilities.
pub fn run(tally: &mut Tally, device: &Device, name: &str, config: &ModelConfig) {
    let learner = |device: &Device| Learner::new(Decoder::init(config, 3, device), options());
    let ours = learner(device);
    for (on, place) in [(DecodeOn::Cpu, "CPU"), (DecodeOn::Device, "GPU")] {
        tally.check(&format!("{name}: completions decoded on the {place}"), || {
            let found = complete(&ours, on)?;
            let expected = complete(&learner(&Device::flex()), DecodeOn::Cpu)?;
            let apart = difference(&found, &expected)?;
            if on == DecodeOn::Cpu && found != expected {
                return Err(format!("{found:?} instead of {expected:?}").into());
            }
            let tokens: usize = found.iter().map(|(_, completion)| completion.len()).sum();
            let gap = agreement(&ours, &found)?;
            Ok(format!(
                "the same {tokens} tokens, log-probabilities {apart:.1e} from the CPU's and \
                 {gap:.1e} from the learner's"
            ))
        });
    }
}

/// How far log-probabilities are from the expected ones, of the same tokens.
fn difference(found: &Completions, expected: &Completions) -> Result<f64, BoxError> {
    let mut gap = 0.0_f64;
    for ((_, found), (_, expected)) in found.iter().zip(expected) {
        if (&found.tokens, &found.finish) != (&expected.tokens, &expected.finish) {
            return Err(format!("{found:?} instead of {expected:?}").into());
        }
        let pairs = found.model_logprobs.iter().zip(&expected.model_logprobs);
        gap = pairs.map(|(a, b)| f64::from(a - b).abs()).fold(gap, f64::max);
    }
    if found.len() != expected.len() || !(gap <= LOGPROBS) {
        return Err(format!("log-probabilities are {gap:.1e} from the CPU's").into());
    }
    Ok(gap)
}

type Completions = Vec<(Vec<u32>, Completion)>;

/// Completions with their prompts.
fn complete(learner: &Learner, decode_on: DecodeOn) -> Result<Completions, BoxError> {
    let config = EngineConfig { decode_on, ..EngineConfig::default() };
    let mut engine = LocalEngine::new(learner.handle(), Arc::new(Numbers), config)?;
    engine.refresh(&WeightUpdate::InProcess { version: 0 })?;
    let drawn = SamplingParams {
        temperature: TEMPERATURE,
        max_tokens: 12,
        seed: 4,
        top_p: Some(0.9),
        ..SamplingParams::default()
    };
    let greedy = SamplingParams { temperature: 0.0, ..drawn.clone() };
    let request = |id: u64, tokens: Vec<u32>, n, params: &SamplingParams| Request {
        prompt: Prompt { id, tokens, ..Prompt::default() },
        n,
        params: params.clone(),
        ..Request::default()
    };
    let requests = [
        request(1, vec![5, 9, 17], 6, &drawn),
        request(2, vec![100, 101, 102, 103, 104, 105, 106, 107], 4, &drawn),
        request(3, vec![11], 1, &greedy),
    ];
    let groups = engine.generate(&requests, &mut |_| Flow::Continue)?;
    let of_group = groups.into_iter().flat_map(|group| {
        let prompt = group.request.prompt.tokens;
        group.completions.into_iter().map(move |completion| (prompt.clone(), completion))
    });
    Ok(of_group.collect())
}

/// How far the engine's log-probabilities are from the learner's.
fn agreement(learner: &Learner, completions: &[(Vec<u32>, Completion)]) -> Result<f64, BoxError> {
    let drawn = completions.len() - 1;
    let rows = completions[..drawn].iter();
    let batch = TokenBatch::shared(rows.clone().map(|(p, c)| (&p[..], &c.tokens[..])));
    let temperature = vec![TEMPERATURE; drawn];
    let query = HeadQuery::new(Needs::NONE, &temperature);
    let stats = learner.token_stats(&batch, &query)?;
    let lengths: Vec<usize> = rows.clone().map(|(_, c)| c.len()).collect();
    let found = padded::rows(stats.logprobs, &lengths).concat();
    let engine: Vec<f32> = rows.flat_map(|(_, c)| c.model_logprobs.clone()).collect();
    let gaps = found.iter().zip(&engine).map(|(a, b)| f64::from(a - b).abs());
    let gap = gaps.fold(0.0, f64::max);
    if found.len() != engine.len() || !(gap <= LOGPROBS) {
        return Err(format!("log-probabilities are {gap:.1e} from the learner's").into());
    }
    Ok(gap)
}

/// Tokens as numbers.
struct Numbers;

impl Detokenize for Numbers {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        let words: Vec<String> = tokens.iter().map(u32::to_string).collect();
        Ok(words.join(" "))
    }

    fn end_tokens(&self) -> &[u32] {
        &[0]
    }
}
