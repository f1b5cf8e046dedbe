//! Training for few bits.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use common::families::{config, each};
use refire_core::{Needs, Purpose, Stream};
use refire_model::{
    Decode, Decoder, Family, HostDecoder, Learner, LearnerConfig, LoraConfig, ModelConfig,
    ModelError, NormPlacement, QatConfig, RmsNorm, RotationKind, Rotations, Rows, TinyLlama, Work,
    load_weights,
};
use refire_objective::{Dtype, HeadQuery, Loss, Policy, TokenBatch};
use serde_json::json;

const TOKENS: [u32; 20] = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 46, 2, 6, 43, 38, 32, 7];

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().into_data().iter::<f32>().collect()
}

fn logits(decoder: &Decoder) -> Vec<f32> {
    values(decoder.logits(&TOKENS).unwrap())
}

fn gap(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max)
}

fn rows() -> Rows {
    Rows::new(vec![TOKENS.to_vec(), TOKENS[5..].to_vec()])
}

/// Norms with factors of their own, which a fresh network doesn't have.
fn with_factors(mut decoder: Decoder) -> Decoder {
    let change = |norm: &mut RmsNorm, id: u64| {
        let mut stream = Stream::new(1, Purpose::named("factors"), 0, id, 0);
        let factors: Vec<f32> = values(norm.weight.val());
        let factors: Vec<f32> =
            factors.iter().map(|f| f + (stream.uniform() - 0.5) as f32).collect();
        let n = factors.len();
        let data = TensorData::new(factors, [n]);
        norm.weight = Param::from_tensor(Tensor::from_data(data, &Device::flex()));
    };
    for (index, layer) in (0..).zip(&mut decoder.model.layers) {
        layer.input_layernorm.iter_mut().for_each(|norm| change(norm, 2 * index));
        change(&mut layer.post_attention_layernorm, 2 * index + 1);
    }
    change(&mut decoder.model.norm, 99);
    decoder
}

#[test]
fn a_rotated_network_is_the_same_in_full_precision() {
    each(|decoder| {
        let decoder = with_factors(decoder.clone());
        let all = Rotations::all(&decoder);
        let plain = decoder.config.layers.iter().all(|layer| layer.norms == NormPlacement::Pre);
        assert_eq!(all.residual, plain);
        let layers = decoder.config.layers.len();
        let each = [
            Rotations { residual: plain, ..Rotations::none(layers) },
            Rotations { values: all.values.clone(), ..Rotations::none(layers) },
            Rotations { down: all.down.clone(), ..Rotations::none(layers) },
            all,
        ];
        for rotations in each {
            let rotated = decoder.rotated(&rotations, 5).unwrap();
            let gap = gap(&logits(&rotated), &logits(&decoder));
            assert!(gap < 1e-4, "{rotations:?}: {gap}");
            let changed = rotations != Rotations::none(layers);
            let weight = |d: &Decoder| values(d.model.layers[0].self_attn.o_proj.weight.val());
            if rotations.residual || rotations.values[0] {
                assert!(changed && weight(&rotated) != weight(&decoder), "nothing was rotated");
            }
            // Rotations of activations are taken out of what is written.
            let dir = tempfile::tempdir().unwrap();
            let learner = Learner::new(rotated, LearnerConfig::default());
            learner.export(dir.path(), Dtype::F32).unwrap();
            let config = ModelConfig::read(dir.path()).unwrap();
            let again = load_weights(dir.path(), &config, &Device::flex()).unwrap();
            let gap = self::gap(&logits(&again), &logits(&decoder));
            assert!(gap < 1e-4, "{rotations:?}, written and read: {gap}");
        }
    });
}

#[test]
fn the_choice_takes_what_rounds_with_less_error() {
    each(|decoder| {
        let choice = decoder.choose_rotations(&QatConfig::default(), &rows()).unwrap();
        let mut sites = choice.sites.iter();
        let takes = |site: &refire_model::SiteError| site.rotated < site.plain;
        let residual = sites.as_slice().first().is_some_and(|site| site.site == "residual");
        if residual {
            assert_eq!(choice.rotations.residual, takes(sites.next().unwrap()));
        } else {
            assert!(!choice.rotations.residual);
        }
        for (values, down) in choice.rotations.values.iter().zip(&choice.rotations.down) {
            assert_eq!(*values, takes(sites.next().unwrap()));
            assert_eq!(*down, takes(sites.next().unwrap()));
        }
        assert!(sites.next().is_none());
        assert!(choice.sites.iter().all(|site| site.plain > 0.0 && site.rotated > 0.0));
    });
}

/// A small network whose residual stream has outlier channels.
fn with_outliers() -> Decoder {
    let shape = TinyLlama {
        vocab_size: 32,
        hidden_size: 64,
        intermediate_size: 128,
        layers: 2,
        ..TinyLlama::default()
    };
    let mut config = shape.config();
    config.initializer_range = 0.1;
    let mut decoder = Decoder::init(&config, 3, &Device::flex());
    let embedding = &mut decoder.model.embed_tokens.weight;
    let mut all = values(embedding.val());
    for row in all.chunks_exact_mut(64) {
        row.iter_mut().for_each(|x| *x *= 3.0);
        row[5] += 12.0;
        row[41] -= 18.0;
    }
    let data = TensorData::new(all, [32, 64]);
    *embedding = Param::from_tensor(Tensor::from_data(data, &Device::flex()));
    decoder
}

#[test]
fn outliers_are_rotated_away_and_even_rows_are_left() {
    let choice = with_outliers().choose_rotations(&QatConfig::default(), &outlier_rows()).unwrap();
    let residual = &choice.sites[0];
    assert!(choice.rotations.residual, "{residual:?}");
    assert!(residual.rotated < 0.5 * residual.plain, "{residual:?}");
}

/// Rows of a small language: each token is a sum of the two before it, which no embedding and head
/// alone can say.
fn sentences(count: u64, from: u64) -> Vec<Vec<u32>> {
    let row = |id: u64| {
        let mut stream = Stream::new(7, Purpose::named("rows"), 0, id, 0);
        let mut row: Vec<u32> = (0..2).map(|_| 1 + stream.below(13) as u32).collect();
        while row.len() < 12 {
            let n = row.len();
            row.push(1 + (row[n - 1] + row[n - 2]) % 13);
        }
        row
    };
    (from..from + count).map(row).collect()
}

fn outlier_rows() -> Rows {
    Rows::new(sentences(4, 0))
}

fn train(decoder: Decoder, steps: u64, rate: f64) -> (Decoder, f64) {
    let mut learner = Learner::new(decoder, LearnerConfig::default());
    let mut losses = Vec::new();
    for step in 0..steps {
        let rows = sentences(16, 16 * step);
        let batch = TokenBatch::continuations(rows.iter().map(|row| (&row[..2], &row[2..])));
        let temperature = vec![1.0; batch.rows];
        let tokens = batch.targets.len() as f64;
        let query = HeadQuery::new(Needs::NONE, &temperature);
        let loss = &mut |stats: refire_objective::TokenStats| {
            Ok(Loss { total: stats.logprobs.sum() / -tokens, metrics: Vec::new() })
        };
        losses.push(learner.accumulate(&batch, &query, loss).unwrap().total);
        learner.step(rate).unwrap();
    }
    let last = losses.len().saturating_sub(20);
    let mean = losses[last..].iter().sum::<f64>() / (losses.len() - last) as f64;
    (learner.handle().with(|decoder, _| decoder.valid()).unwrap(), mean)
}

#[test]
fn rotated_training_for_four_bits_beats_the_plain_straight_through_estimator() {
    let (pilot, full) = train(with_outliers(), 600, 3e-3);
    let trained = |rotation| {
        let config = QatConfig { rotation, ..QatConfig::default() };
        let (rounding, choice) = pilot.with_rounding(&config, &outlier_rows()).unwrap();
        let (_, before) = train(rounding.clone(), 20, 0.0);
        let (_, after) = train(rounding, 60, 3e-4);
        println!("{rotation:?}: {before:.3} before, {after:.3} after, {:?}", choice.rotations);
        (before, after)
    };
    println!("full precision: {full:.3}");
    let (plain_before, plain) = trained(RotationKind::None);
    let (rotated_before, rotated) = trained(RotationKind::Adaptive);
    assert!(plain < plain_before && rotated < rotated_before, "training doesn't help");
    assert!(rotated < 0.2 * plain, "{rotated} with rotations, {plain} without");
    assert!(full < rotated_before, "four bits cost nothing: {full}, {rotated_before}");
}

/// The last token's logits, decoded from a prompt and token by token.
fn decoded(decoder: &Decoder) -> Vec<f32> {
    let host = HostDecoder::new(decoder).unwrap();
    let (mut cache, mut logits) = (host.cache(None, TOKENS.len()), vec![0.0; host.vocab()]);
    let (prompt, rest) = TOKENS.split_at(7);
    for tokens in std::iter::once(prompt).chain(rest.chunks(1)) {
        host.forward(&mut [Work { tokens, cache: &mut cache, logits: &mut logits }]).unwrap();
    }
    logits
}

#[test]
fn decoding_rounds_what_the_network_rounds() {
    each(|decoder| {
        for rotation in [RotationKind::None, RotationKind::All] {
            // Finer steps: a number on the border of two moves the logits less.
            let config =
                QatConfig { rotation, weight_bits: 4, activation_bits: 8, ..QatConfig::default() };
            let (rounding, _) = decoder.with_rounding(&config, &rows()).unwrap();
            let found = logits(&rounding);
            let last = &found[found.len() - decoder.config.vocab_size..];
            let near = gap(&decoded(&rounding), last);
            let plain = gap(&decoded(&rounding.without_rounding()), last);
            println!("{rotation:?}: {near} from the network, {plain} without rounding");
            assert!(near < 0.02, "{rotation:?}: decoded otherwise by {near}");
            assert!(near < 0.2 * plain, "{near} of {plain}");
        }
    });
}

#[test]
fn what_can_not_be_rotated_or_rounded_is_said() {
    let decoder = Decoder::init(&config(Family::Gemma2, json!({})), 0, &Device::flex());
    let says = |error: ModelError, part: &str| {
        assert!(error.to_string().contains(part), "{error}");
    };
    let residual = Rotations { residual: true, ..Rotations::none(3) };
    says(decoder.rotated(&residual, 0).unwrap_err(), "gemma2");
    says(decoder.rotated(&Rotations::none(2), 0).unwrap_err(), "2 layers for a network of 3");
    let bits = QatConfig { weight_bits: 1, activation_clip: 0.0, ..QatConfig::default() };
    let error = decoder.with_rounding(&bits, &rows()).unwrap_err();
    says(error, "weight_bits");
    let none = Rows::new(Vec::new());
    says(decoder.with_rounding(&QatConfig::default(), &none).unwrap_err(), "rows");
    let (rounding, _) = decoder.with_rounding(&QatConfig::default(), &rows()).unwrap();
    assert!(rounding.is_rounded() && !rounding.without_rounding().is_rounded());
    says(rounding.clone().quantized().unwrap_err(), "without_rounding");
    says(rounding.clone().with_lora(&LoraConfig::default(), 0).unwrap_err(), "without_rounding");
    says(rounding.rotated(&Rotations::none(3), 0).unwrap_err(), "already");
    let adapted = decoder.clone().with_lora(&LoraConfig::default(), 0).unwrap();
    says(adapted.rotated(&Rotations::none(3), 0).unwrap_err(), "adapter");
    says(decoder.quantized().unwrap().rotated(&Rotations::none(3), 0).unwrap_err(), "4 bits");
}
