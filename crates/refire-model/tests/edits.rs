//! What the model reads may differ from what it is to predict.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::{Device, Tensor};
use refire_core::Needs;
use refire_model::{Decoder, FrozenDecoder, Learner, LearnerConfig, TinyLlama};
use refire_objective::{
    Blend, FrozenPolicy, HeadQuery, Loss, MovingReference, Policy, TokenBatch, TokenStats,
};

const ROWS: [&[u32]; 2] = [&[1, 5, 9, 3], &[2, 7, 4]];

fn decoder(seed: u64) -> Decoder {
    let mut config = TinyLlama::default().config();
    config.initializer_range = 0.2;
    Decoder::init(&config, seed, &Device::flex())
}

fn batch(rows: [&[u32]; 2]) -> TokenBatch {
    TokenBatch::continuations(rows.map(|row| row.split_at(1)))
}

fn query() -> HeadQuery<'static> {
    HeadQuery::new(Needs::NONE, &[1.0; 2])
}

fn logprobs(model: &dyn FrozenPolicy, batch: &TokenBatch) -> Vec<f32> {
    let stats: TokenStats = model.token_stats(batch, &query()).unwrap();
    stats.logprobs.into_data().try_to_vec().unwrap()
}

/// Log-probability of `target` after reading `read`.
fn by_hand(decoder: &Decoder, read: &[u32], target: u32) -> f32 {
    let logits = decoder.logits(read).unwrap();
    let rows = logits.dims()[0];
    let last = burn::tensor::activation::log_softmax(logits, 1).narrow(0, rows - 1, 1);
    last.into_data().try_to_vec::<f32>().unwrap()[target as usize]
}

#[test]
fn other_tokens_are_read_and_the_same_are_predicted() {
    let decoder = decoder(0);
    let mut edited = batch(ROWS);
    edited.input_edit.tokens = Some(vec![vec![1, 8, 9, 3], vec![2, 6, 4]]);
    let got = logprobs(&FrozenDecoder::new(&decoder), &edited);
    let expected = [
        by_hand(&decoder, &[1], 5),
        by_hand(&decoder, &[1, 8], 9),
        by_hand(&decoder, &[1, 8, 9], 3),
        by_hand(&decoder, &[2], 7),
        by_hand(&decoder, &[2, 6], 4),
    ];
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-5, "{got} {expected}");
    }
}

#[test]
fn a_blend_goes_from_the_one_to_the_other() {
    let frozen = FrozenDecoder::new(&decoder(0));
    let other = vec![vec![1, 8, 2, 3], vec![2, 6, 4]];
    let mut swapped = batch(ROWS);
    swapped.input_edit.tokens = Some(other.clone());
    let at = |share: f64| {
        let mut blended = batch(ROWS);
        blended.input_edit.blend = Some(Blend { tokens: other.clone(), share });
        logprobs(&frozen, &blended)
    };
    assert_eq!(at(0.0), logprobs(&frozen, &batch(ROWS)));
    assert_eq!(at(1.0), logprobs(&frozen, &swapped));
    assert_ne!(at(0.5), at(0.0));
    assert_ne!(at(0.5), at(1.0));
}

/// Both embeddings of a blend learn, in proportion to their shares.
#[test]
fn a_blend_carries_gradient_to_both() {
    let gradient = |share: f64| {
        let mut learner = Learner::new(decoder(0), LearnerConfig::default());
        let mut blended = batch([&[1, 5, 9], &[2, 7, 4]]);
        blended.input_edit.blend =
            Some(Blend { tokens: vec![vec![11, 5, 9], vec![2, 7, 4]], share });
        learner
            .accumulate(&blended, &query(), &mut |stats| {
                Ok(Loss { total: stats.logprobs.sum().neg(), metrics: vec![] })
            })
            .unwrap();
        let all = learner.gradient("model.embed_tokens.weight").unwrap();
        let all: Tensor<2> = all.reshape([128, -1]);
        // Without the head's part, which is the same for rows that are no labels.
        let row = |token: usize| all.clone().narrow(0, token, 1);
        let norm = |t: Tensor<2>| t.powf_scalar(2.0).sum().sqrt().into_scalar::<f32>();
        (norm(row(11)), norm(row(1)))
    };
    let (other, own) = gradient(0.25);
    assert!(other > 0.0 && own > 2.0 * other, "{own} {other}");
}

#[test]
fn greedy_tokens_are_the_most_likely() {
    let decoder = decoder(3);
    let batch = batch(ROWS);
    let greedy = FrozenDecoder::new(&decoder).greedy_tokens(&batch).unwrap();
    for (target, token) in batch.targets.iter().zip(greedy) {
        let read = &batch.segments[target.segment].tokens[..target.position];
        let logits = decoder.logits(read).unwrap();
        let last = logits.narrow(0, read.len() - 1, 1);
        let values = last.into_data().try_to_vec::<f32>().unwrap();
        assert!(values.iter().all(|value| *value <= values[token as usize]));
    }
}

#[test]
fn an_edit_of_another_length_is_refused() {
    let mut short = batch(ROWS);
    short.input_edit.tokens = Some(vec![vec![1, 8], vec![2, 6, 4]]);
    let frozen = FrozenDecoder::new(&decoder(0));
    let error = frozen.token_stats(&short, &query()).unwrap_err().to_string();
    assert!(error.contains("edited segment") && error.contains('4'), "{error}");
    let mut wide = batch(ROWS);
    let tokens = ROWS.iter().map(|row| row.to_vec()).collect();
    wide.input_edit.blend = Some(Blend { tokens, share: 1.5 });
    let error = frozen.token_stats(&wide, &query()).unwrap_err().to_string();
    assert!(error.contains("share") && error.contains("1.5"), "{error}");
}

fn updated() -> (Learner, Box<dyn FrozenPolicy>, refire_model::MovingDecoder) {
    let mut learner = Learner::new(decoder(0), LearnerConfig::default());
    let (before, moving) = (learner.freeze(), learner.moving_reference().unwrap());
    learner
        .accumulate(&batch(ROWS), &query(), &mut |stats| {
            Ok(Loss { total: stats.logprobs.sum().neg(), metrics: vec![] })
        })
        .unwrap();
    learner.step(1e-2).unwrap();
    (learner, before, moving)
}

#[test]
fn a_reference_moves_when_it_is_told_to() {
    let (learner, before, mut moving) = updated();
    let (old, new) =
        (logprobs(before.as_ref(), &batch(ROWS)), logprobs(&*learner.freeze(), &batch(ROWS)));
    assert_ne!(old, new);
    assert_eq!(logprobs(&moving, &batch(ROWS)), old);
    moving.follow(0.5).unwrap();
    let between = logprobs(&moving, &batch(ROWS));
    assert!(between != old && between != new);
    moving.follow(1.0).unwrap();
    assert_eq!(logprobs(&moving, &batch(ROWS)), new);
}

#[test]
fn a_moved_reference_survives_its_folder() {
    let (_, _, mut moving) = updated();
    moving.follow(0.6).unwrap();
    let dir = tempfile::tempdir().unwrap();
    moving.save_state(dir.path()).unwrap();
    let (_, _, mut other) = updated();
    assert_ne!(logprobs(&other, &batch(ROWS)), logprobs(&moving, &batch(ROWS)));
    other.load_state(dir.path()).unwrap();
    assert_eq!(logprobs(&other, &batch(ROWS)), logprobs(&moving, &batch(ROWS)));
    assert_eq!(other.version(), 1);
}
