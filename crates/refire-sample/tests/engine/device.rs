//! Decoding where the weights are, against decoding on the CPU: the same draws, but for rounding.

use crate::common::{engine_with, generate, learner, learner_of, request};
use refire_core::{Group, RolloutEngine, SamplingParams, WeightUpdate};
use refire_model::{DecodeOn, Dtype, Learner};
use refire_sample::{BeamSearch, EngineConfig, LocalEngine};

fn config(decode_on: DecodeOn) -> EngineConfig {
    EngineConfig { decode_on, max_slots: 6, ..EngineConfig::default() }
}

fn engines(learner: &Learner) -> [LocalEngine; 2] {
    [DecodeOn::Cpu, DecodeOn::Device].map(|on| engine_with(learner, &[0], config(on)))
}

fn same([cpu, device]: [Vec<Group>; 2]) {
    for (cpu, device) in cpu.iter().zip(&device) {
        for (cpu, device) in cpu.completions.iter().zip(&device.completions) {
            assert_eq!((&cpu.tokens, &cpu.finish), (&device.tokens, &device.finish));
            let pairs = cpu.model_logprobs.iter().zip(&device.model_logprobs);
            pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{b} instead of {a}"));
        }
    }
}

#[test]
fn draws_are_the_same_before_and_after_a_refresh() {
    let learner = learner(64);
    let mut engines = engines(&learner);
    let params = |seed| SamplingParams { max_tokens: 30, seed, ..SamplingParams::default() };
    let asked: Vec<_> = (0..5).map(|id| request(id, 4, params(id))).collect();
    same(engines.each_mut().map(|engine| generate(engine, &asked)));
    // Caches that the last call left are of no use to the next decoder.
    for engine in &mut engines {
        engine.release();
        engine.refresh(&WeightUpdate::InProcess { version: 1 }).unwrap();
    }
    same(engines.each_mut().map(|engine| generate(engine, &asked[2..])));
    same(engines.each_mut().map(|engine| generate(engine, &asked)));
}

#[test]
fn blends_are_the_same() {
    let (own, partner) = (learner(64), learner_of(64, 8));
    let params = SamplingParams { max_tokens: 12, blend: Some(0.6), ..SamplingParams::default() };
    let asked = [request(1, 3, params), request(2, 3, SamplingParams::greedy(9))];
    let engines = engines(&own).map(|engine| engine.with_partner(&partner.handle()).unwrap());
    same(engines.map(|mut engine| generate(&mut engine, &asked)));
}

#[test]
fn beams_are_the_same() {
    let learner = learner(64);
    let asked = request(1, 1, SamplingParams::greedy(9));
    let settings = BeamSearch { beams: 5, keep: 5, ..BeamSearch::default() };
    let [cpu, device] =
        engines(&learner).map(|mut engine| engine.beam_search(&asked, &settings).unwrap());
    for (cpu, device) in cpu.iter().zip(&device) {
        assert_eq!(cpu.completion.tokens, device.completion.tokens);
        assert!((cpu.score - device.score).abs() < 1e-4);
    }
}

#[test]
fn on_the_cpu_the_weights_device_is_the_cpu() {
    let learner = learner(64);
    let asked = [request(1, 3, SamplingParams { max_tokens: 20, ..SamplingParams::default() })];
    let bits = [DecodeOn::Auto, DecodeOn::Cpu].map(|on| {
        let group = generate(&mut engine_with(&learner, &[0], config(on)), &asked).remove(0);
        group.completions.into_iter().flat_map(|c| c.model_logprobs).collect::<Vec<_>>()
    });
    assert_eq!(bits[0], bits[1]);
}

#[test]
fn a_device_stores_no_bf16() {
    let config = EngineConfig { decode_dtype: Dtype::Bf16, ..config(DecodeOn::Device) };
    assert!(config.validate()[0].to_string().contains("`decode_on` is `device`"));
}
