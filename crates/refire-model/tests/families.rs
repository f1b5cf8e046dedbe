//! Every family with random weights: what is decoded equals what is read at once, and what is
//! written reads again.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use common::families::each;
use refire_core::Needs;
use refire_model::{
    Decode, Decoder, HostDecoder, KvCache, Learner, LearnerConfig, MlpSpec, ModelConfig, Rows,
    Work, load_weights,
};
use refire_objective::{Dtype, HeadQuery, Loss, Policy, TokenBatch};

const TOKENS: [u32; 20] = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 46, 2, 6, 43, 38, 32, 7];

fn last_logits(decoder: &Decoder, tokens: &[u32]) -> Vec<f32> {
    let logits = decoder.logits(tokens).unwrap();
    logits.narrow(0, tokens.len() - 1, 1).into_data().iter::<f32>().collect()
}

fn read(host: &HostDecoder, cache: &mut KvCache, tokens: &[u32]) -> Vec<f32> {
    let mut logits = vec![0.0; host.vocab()];
    host.forward(&mut [Work { tokens, cache, logits: &mut logits }]).unwrap();
    logits
}

fn close(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{what}: {a} instead of {b}");
    }
}

#[test]
fn decoded_token_by_token_with_and_without_a_shared_prefix() {
    each(|decoder| {
        let host = HostDecoder::new(decoder).unwrap();
        for shared in [0, 4, 15] {
            let prefix = (shared > 0).then(|| {
                let mut cache = host.cache(None, shared);
                read(&host, &mut cache, &TOKENS[..shared]);
                cache.into_prefix().unwrap()
            });
            let mut cache = host.cache(prefix, TOKENS.len());
            for end in shared + 1..=TOKENS.len() {
                let ours = read(&host, &mut cache, &TOKENS[end - 1..end]);
                close(&ours, &last_logits(decoder, &TOKENS[..end]), &format!("{end} tokens"));
            }
        }
    });
}

/// Rounds matrices to bfloat16.
struct Round;

impl ModuleMapper for Round {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|x| if D == 2 { x.cast(DType::BF16).cast(DType::F32) } else { x })
    }
}

#[test]
fn stored_as_bf16_a_decoder_is_one_with_rounded_matrices() {
    each(|decoder| {
        if decoder.config.layers.iter().any(|layer| matches!(layer.mlp, MlpSpec::Experts(_))) {
            // Routers are not rounded: what they choose is not continuous.
            return;
        }
        let host = HostDecoder::stored(decoder, Dtype::Bf16).unwrap();
        let exact = HostDecoder::new(&decoder.clone().map(&mut Round)).unwrap();
        let logits = |host: &HostDecoder| read(host, &mut host.cache(None, 20), &TOKENS[..9]);
        assert_eq!(logits(&host), logits(&exact));
    });
}

#[test]
fn the_same_bits_in_any_company() {
    for dtype in [Dtype::F32, Dtype::Bf16] {
        the_same_bits(dtype);
    }
}

fn the_same_bits(dtype: Dtype) {
    each(|decoder| {
        let host = HostDecoder::stored(decoder, dtype).unwrap();
        let rows: Vec<&[u32]> = (1..8).map(|n| &TOKENS[n..][..2 * n - 1]).collect();
        let alone: Vec<Vec<f32>> =
            rows.iter().map(|row| read(&host, &mut host.cache(None, 20), row)).collect();
        let mut caches: Vec<KvCache> = rows.iter().map(|_| host.cache(None, 20)).collect();
        let mut logits = vec![vec![0.0; host.vocab()]; rows.len()];
        let items = rows.iter().zip(&mut caches).zip(&mut logits);
        let mut work: Vec<Work<'_>> =
            items.map(|((tokens, cache), logits)| Work { tokens, cache, logits }).collect();
        host.forward(&mut work).unwrap();
        assert_eq!(logits, alone);
    });
}

#[test]
fn rows_of_a_batch_do_not_see_one_another() {
    each(|decoder| {
        let rows: Vec<Vec<u32>> = [2, 20, 9].map(|n| TOKENS[..n].to_vec()).into();
        let batch = Rows::new(rows.clone());
        let hidden = decoder.hidden(&batch).unwrap();
        for (index, row) in rows.into_iter().enumerate() {
            let n = row.len();
            let alone = decoder.hidden(&Rows::new(vec![row])).unwrap();
            let values =
                |t: burn::tensor::Tensor<2>| t.into_data().iter::<f32>().collect::<Vec<_>>();
            let ours = hidden.clone().narrow(0, index * batch.width(), n);
            close(&values(ours), &values(alone), "hidden states");
        }
    });
}

#[test]
fn exported_folders_hold_the_same_model() {
    each(|decoder| {
        let dir = tempfile::tempdir().unwrap();
        let learner = Learner::new(decoder.clone(), LearnerConfig::default());
        learner.export(dir.path(), Dtype::F32).unwrap();
        let config = ModelConfig::read(dir.path()).unwrap();
        assert_eq!(config, decoder.config);
        let again = load_weights(dir.path(), &config, &Device::flex()).unwrap();
        assert_eq!(last_logits(&again, &TOKENS), last_logits(decoder, &TOKENS));
    });
}

/// The gradient points where the loss falls: a small step against it lowers the loss by about its
/// squared norm times the step.
#[test]
fn gradients_of_all_parameters() {
    each(|decoder| {
        let config = LearnerConfig { max_grad_norm: None, ..LearnerConfig::default() };
        let mut learner = Learner::new(decoder.clone(), config);
        let batch = TokenBatch::continuations([(&TOKENS[..1], &TOKENS[1..])]);
        let query = HeadQuery::new(Needs::NONE, &[1.0]);
        let loss = &mut |stats: refire_objective::TokenStats| {
            Ok(Loss { total: stats.logprobs.mean().neg(), metrics: Vec::new() })
        };
        let before = learner.accumulate(&batch, &query, loss).unwrap().total;
        let norms = learner.gradient_norms().unwrap();
        let dense: Vec<_> = norms.iter().filter(|(path, _)| !path.contains("experts")).collect();
        assert!(dense.iter().all(|(_, norm)| **norm > 0.0), "{dense:?}");
        learner.step(1e-4).unwrap();
        let after = learner.accumulate(&batch, &query, loss).unwrap().total;
        assert!(after < before, "{after} after {before}");
    });
}
