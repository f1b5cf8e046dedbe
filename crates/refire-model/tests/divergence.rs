//! A loss of a divergence over the whole vocabulary, against plain autodiff on full logits.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use refire_core::{KlDirection, Needs};
use refire_model::{Decoder, FrozenDecoder, Learner, LearnerConfig, TinyLlama};
use refire_objective::{FrozenPolicy, HeadQuery, Loss, Policy, TokenBatch};

const ROWS: [(&[u32], &[u32]); 3] = [(&[1, 2], &[3, 4, 5]), (&[9], &[8]), (&[6, 5, 4], &[3, 2])];

fn decoder(seed: u64) -> Decoder {
    let mut config = TinyLlama::default().config();
    config.initializer_range = 0.2;
    Decoder::init(&config, seed, &Device::flex())
}

/// The forward divergence and the log-probabilities, summed over all targets.
fn plain(policy: &Decoder, reference: &Decoder) -> Tensor<1> {
    let parts = ROWS.map(|(context, continuation)| {
        let tokens = [context, continuation].concat();
        let log_probs = |decoder: &Decoder| log_softmax(decoder.logits(&tokens).unwrap(), 1);
        let (p, q) = (log_probs(policy), Tensor::from_inner(log_probs(reference)));
        let read = context.len() - 1..tokens.len() - 1;
        (q.clone().exp() * (q - p)).slice([read]).sum()
    });
    parts.into_iter().reduce(|a, b| a + b).unwrap()
}

#[test]
fn value_and_gradient_equal_the_plain_path_however_many_shards() {
    let (policy, reference) = (decoder(1), decoder(2));
    let tracked = policy.clone().train();
    let expected = plain(&tracked, &reference);
    let value = expected.clone().into_scalar::<f32>();
    let grads = expected.backward();
    let embedding = tracked.model.embed_tokens.weight.val().grad(&grads).unwrap();
    let batch = TokenBatch::continuations(ROWS);
    let frozen = FrozenDecoder::new(&reference);
    for shards in 1..4 {
        let config = LearnerConfig { shards, ..LearnerConfig::default() };
        let mut learner = Learner::new(policy.clone(), config);
        let query = HeadQuery {
            needs: Needs { full_kl: Some(KlDirection::Forward), ..Needs::NONE },
            temperature: &[1.0; 3],
            reference: Some(&frozen as &dyn FrozenPolicy),
            coefficients: None,
        };
        let report = learner.accumulate(&batch, &query, &mut |stats| {
            Ok(Loss { total: stats.full_kl.unwrap().sum(), metrics: Vec::new() })
        });
        let total = report.unwrap().total;
        assert!((total - f64::from(value)).abs() < 1e-3, "{total} instead of {value}");
        let ours = learner.gradient("model.embed_tokens.weight").unwrap();
        let gap = (ours - embedding.clone().flatten(0, 1)).abs().max().into_scalar::<f32>();
        assert!(gap < 1e-4, "{gap} with {shards} shards");
    }
}

#[test]
fn noise_changes_the_loss_and_depends_on_its_seed_alone() {
    let loss = |seed, shards| {
        let config = LearnerConfig { shards, ..LearnerConfig::default() };
        let mut learner = Learner::new(decoder(1), config);
        let mut batch = TokenBatch::continuations(ROWS);
        if let Some(seed) = seed {
            batch.input_edit.noise = Some(refire_objective::InputNoise { alpha: 5.0, seed });
        }
        let query = HeadQuery::new(Needs::NONE, &[1.0; 3]);
        let report = learner.accumulate(&batch, &query, &mut |stats| {
            Ok(Loss { total: stats.logprobs.sum().neg(), metrics: Vec::new() })
        });
        report.unwrap().total
    };
    let close = |a: f64, b: f64| (a - b).abs() < 1e-3;
    assert!(close(loss(Some(3), 1), loss(Some(3), 2)));
    assert!(!close(loss(Some(3), 1), loss(Some(4), 1)));
    assert!(!close(loss(Some(3), 1), loss(None, 1)));
}
