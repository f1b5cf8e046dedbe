//! What must hold of any adapter.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::{Device, Tensor};
use refire_core::Needs;
use refire_model::{
    AdamWConfig, Bias, Decoder, FrozenDecoder, Learner, LearnerConfig, LoraConfig, ModelError,
    Patterns, TargetModules, TinyLlama,
};
use refire_objective::{FrozenPolicy, HeadQuery, Loss, Policy, TokenBatch};

const TOKENS: [u32; 6] = [5, 9, 2, 77, 30, 4];

fn decoder() -> Decoder {
    let shape = TinyLlama { hidden_size: 24, intermediate_size: 40, ..TinyLlama::default() };
    let mut config = shape.config();
    config.initializer_range = 0.2;
    Decoder::init(&config, 3, &Device::flex())
}

fn lora() -> LoraConfig {
    LoraConfig { r: 3, lora_alpha: 5.0, ..LoraConfig::default() }
}

fn kinds() -> [LoraConfig; 3] {
    let (rslora, dora) = (LoraConfig { use_rslora: true, ..lora() }, lora());
    [lora(), rslora, LoraConfig { use_dora: true, ..dora }]
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().into_data().iter::<f32>().collect()
}

fn logits(decoder: &Decoder) -> Vec<f32> {
    values(decoder.logits(&TOKENS).unwrap())
}

fn query(temperature: &[f32]) -> HeadQuery<'_> {
    HeadQuery::new(Needs::NONE, temperature)
}

fn batch() -> TokenBatch {
    TokenBatch::continuations([(&TOKENS[..1], &TOKENS[1..])])
}

/// The summed log-probability's gradient.
fn accumulate(learner: &mut Learner) -> f64 {
    let loss = &mut |stats: refire_objective::TokenStats| {
        Ok(Loss { total: stats.logprobs.sum(), metrics: Vec::new() })
    };
    learner.accumulate(&batch(), &query(&[1.0]), loss).unwrap().total
}

/// A learner whose adapter has moved away from where it began.
fn trained(config: &LoraConfig) -> Learner {
    let adapted = decoder().with_lora(config, 1).unwrap();
    let adamw = AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() };
    let config = LearnerConfig { adamw, ..LearnerConfig::default() };
    let mut learner = Learner::new(adapted, config);
    for _ in 0..4 {
        accumulate(&mut learner);
        learner.step(3e-2).unwrap();
    }
    learner
}

fn weights(learner: &Learner) -> Decoder {
    learner.handle().with(|decoder, _| burn::module::Module::valid(decoder)).unwrap()
}

fn gap(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_fresh_adapter_changes_no_bit_and_a_trained_one_does() {
    for config in kinds() {
        let base = logits(&decoder());
        let fresh = logits(&decoder().with_lora(&config, 0).unwrap());
        if config.use_dora {
            // The norms it divides by are computed another way than the magnitudes.
            assert!(gap(&base, &fresh) < 1e-5);
        } else {
            assert_eq!(base, fresh);
        }
        assert!(gap(&base, &logits(&weights(&trained(&config)))) > 1e-2);
    }
}

#[test]
fn merged_answers_are_the_adapters_and_what_was_merged_can_be_taken_out() {
    for config in kinds() {
        let adapted = weights(&trained(&config));
        let merged = adapted.merged();
        assert!(gap(&logits(&adapted), &logits(&merged)) < 1e-4);
        let dir = tempfile::tempdir().unwrap();
        adapted.save_adapter(dir.path(), Default::default()).unwrap();
        let again = merged.with_adapter(dir.path()).unwrap().unmerged();
        if config.use_dora {
            assert!(matches!(again, Err(ModelError::Adapter { .. })));
            continue;
        }
        let again = again.unwrap();
        assert!(gap(&logits(&again), &logits(&decoder())) < 1e-4);
        assert!(again.unmerged().is_err(), "there is no adapter");
    }
}

#[test]
fn training_touches_nothing_but_the_adapter() {
    for config in kinds() {
        let learner = trained(&config);
        assert_eq!(logits(&weights(&learner).base()), logits(&decoder()), "bits of the base");
        let paths: Vec<String> = learner.gradient_norms().unwrap().into_keys().collect();
        assert!(paths.is_empty(), "the gradient is forgotten after a step");
        let mut learner = learner;
        accumulate(&mut learner);
        let paths = learner.gradient_norms().unwrap().into_keys();
        assert!(paths.into_iter().all(|path| path.contains(".lora.")));
    }
}

#[test]
fn the_reference_is_the_base_and_stays_it() {
    let mut learner = trained(&lora());
    let base = FrozenDecoder::new(&decoder());
    let reference = learner.base().unwrap();
    let answers = |policy: &dyn FrozenPolicy| {
        values(policy.token_stats(&batch(), &query(&[1.0])).unwrap().logprobs)
    };
    let (frozen, before) = (learner.freeze(), answers(&base));
    let present = answers(frozen.as_ref());
    assert_eq!(answers(&reference), before);
    assert_ne!(present, before, "a frozen copy keeps its adapter");
    accumulate(&mut learner);
    learner.step(3e-2).unwrap();
    assert_eq!(answers(&reference), before);
    assert_eq!(answers(frozen.as_ref()), present);
}

/// Central differences of the loss with respect to some elements.
#[test]
fn gradients_equal_finite_differences() {
    for config in kinds() {
        let mut learner = trained(&config);
        accumulate(&mut learner);
        let at = |path: &str| values(learner.gradient(path).unwrap());
        let start = weights(&learner);
        let layer = |decoder: &mut Decoder, kind: &str, index: usize, step: f32| {
            let projection = decoder.model.layers[1].self_attn.q_proj.as_mut().unwrap();
            let lora = projection.lora.as_mut().unwrap();
            let param = if kind == "a" { &mut lora.a } else { &mut lora.b };
            let shape = param.val().dims();
            let mut all = values(param.val());
            all[index] += step;
            let data = burn::tensor::TensorData::new(all, shape);
            *param = burn::module::Param::from_tensor(Tensor::from_data(data, &Device::flex()));
        };
        // DoRA's norms have no gradient, so its differences are taken with them held: skip them.
        if config.use_dora {
            continue;
        }
        for kind in ["a", "b"] {
            let path = format!("model.layers.1.self_attn.q_proj.lora.{kind}");
            let gradient = at(&path);
            for index in [0, gradient.len() / 2, gradient.len() - 1] {
                let total = |step| {
                    let mut moved = start.clone();
                    layer(&mut moved, kind, index, step);
                    let stats = FrozenDecoder::new(&moved);
                    let stats = stats.token_stats(&batch(), &query(&[1.0])).unwrap();
                    values(stats.logprobs).iter().map(|v| f64::from(*v)).sum::<f64>()
                };
                let difference = (total(1e-2) - total(-1e-2)) / 2e-2;
                let found = f64::from(gradient[index]);
                let near = (found - difference).abs() < 2e-2 * difference.abs().max(0.05);
                assert!(near, "{path}[{index}]: {found}, by differences {difference}");
            }
        }
    }
}

#[test]
fn copies_of_modules_and_biases_are_trained_and_saved_with_it() {
    let config = LoraConfig {
        target_modules: TargetModules::Names(vec!["q_proj".to_owned()]),
        modules_to_save: vec!["lm_head".to_owned(), "model.norm".to_owned()],
        bias: Bias::All,
        rank_pattern: Patterns(vec![("layers.1.self_attn.q_proj".to_owned(), 5)]),
        ..lora()
    };
    let mut learner = trained(&config);
    accumulate(&mut learner);
    let paths: Vec<String> = learner.gradient_norms().unwrap().into_keys().collect();
    for path in ["lm_head.weight", "model.norm.weight"] {
        assert!(paths.iter().any(|found| found == path), "{path} is not among {paths:?}");
    }
    let adapted = weights(&learner);
    let second = adapted.model.layers[1].self_attn.q_proj.as_ref().unwrap();
    assert_eq!(second.lora.as_ref().unwrap().a.dims(), [5, 24]);
    let dir = tempfile::tempdir().unwrap();
    learner.export(dir.path(), Default::default()).unwrap();
    let again = decoder().with_adapter(dir.path()).unwrap();
    assert_eq!(logits(&again), logits(&adapted));
    assert_eq!(logits(&again.base()), logits(&decoder()));
}

#[test]
fn what_does_not_fit_is_named() {
    let refused = |config: LoraConfig| decoder().with_lora(&config, 0).unwrap_err().to_string();
    let names = |name: &str| TargetModules::Names(vec![name.to_owned()]);
    let says = |error: String, part: &str| assert!(error.contains(part), "{error}");
    says(refused(LoraConfig { r: 0, ..lora() }), "rank of at least 1");
    says(refused(LoraConfig { target_modules: names("wq"), ..lora() }), "wq");
    for end in ["lm_head", "embed_tokens"] {
        let config = LoraConfig { target_modules: names(end), use_dora: true, ..lora() };
        says(refused(config), "modules_to_save");
    }
    let saved = vec!["heads".to_owned()];
    says(refused(LoraConfig { modules_to_save: saved, ..lora() }), "`heads`");
    let twice = decoder().with_lora(&lora(), 0).unwrap().with_lora(&lora(), 0);
    says(twice.unwrap_err().to_string(), "already");
    let dropout = LoraConfig { lora_dropout: 1.0, ..lora() };
    says(refused(dropout), "lora_dropout");
}

/// Gradients of a step over two rows, read as one batch or one by one, in so many shards.
fn dropped(config: &LoraConfig, seed: u64, shards: usize, cut: bool) -> Vec<(String, Vec<f32>)> {
    let rows = [(&TOKENS[..1], &TOKENS[1..]), (&TOKENS[2..3], &TOKENS[3..])];
    let batches = if cut {
        rows.map(|row| TokenBatch::continuations([row])).to_vec()
    } else {
        vec![TokenBatch::continuations(rows)]
    };
    gradients(config, LearnerConfig { seed, shards, ..Default::default() }, &batches)
}

fn gradients(
    config: &LoraConfig,
    training: LearnerConfig,
    batches: &[TokenBatch],
) -> Vec<(String, Vec<f32>)> {
    let mut learner = Learner::new(weights(&trained(config)), training);
    for batch in batches {
        let temperature = vec![1.0; batch.rows];
        let loss = &mut |stats: refire_objective::TokenStats| {
            Ok(Loss { total: stats.logprobs.sum(), metrics: Vec::new() })
        };
        learner.accumulate(batch, &query(&temperature), loss).unwrap();
    }
    let paths = learner.gradient_norms().unwrap().into_keys();
    paths.map(|path| (path.clone(), values(learner.gradient(&path).unwrap()))).collect()
}

#[test]
fn dropout_has_draws_of_its_own_for_each_token_whatever_is_read_with_it() {
    for config in kinds() {
        let config = LoraConfig { lora_dropout: 0.3, ..config };
        let once = dropped(&config, 0, 1, false);
        for (shards, cut) in [(1, false), (2, false), (1, true)] {
            for ((path, a), (_, b)) in once.iter().zip(dropped(&config, 0, shards, cut)) {
                let largest = a.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
                assert!(gap(a, &b) < 1e-5 * (1.0 + largest), "{path}: {shards} shards, {cut}");
            }
        }
        assert_ne!(once, dropped(&config, 1, 1, false), "another seed draws otherwise");
        let without = LoraConfig { lora_dropout: 0.0, ..config.clone() };
        assert_ne!(once, dropped(&without, 0, 1, false), "nothing is dropped");
        // Answers and decoding drop nothing.
        let learner = trained(&config);
        let stats = |policy: &dyn FrozenPolicy| {
            values(policy.token_stats(&batch(), &query(&[1.0])).unwrap().logprobs)
        };
        let frozen = FrozenDecoder::new(&weights(&learner));
        assert_eq!(stats(&frozen), stats(&FrozenDecoder::new(&weights(&learner))));
        let merged = FrozenDecoder::new(&weights(&learner).merged());
        assert!(gap(&stats(&frozen), &stats(&merged)) < 1e-4, "dropped in evaluation");
    }
}

#[test]
fn a_shared_prompt_drops_once_in_whatever_shards_and_when_layers_are_run_again() {
    let config = LoraConfig { lora_dropout: 0.3, ..lora() };
    let (prompt, rest) = TOKENS.split_at(6);
    let batch = TokenBatch::shared(rest.chunks(5).map(|completion| (prompt, completion)));
    let of = |shards, gradient_checkpointing| {
        let training = LearnerConfig { shards, gradient_checkpointing, ..Default::default() };
        gradients(&config, training, std::slice::from_ref(&batch))
    };
    let once = of(1, false);
    for (shards, recompute) in [(2, false), (3, false), (1, true)] {
        for ((path, a), (_, b)) in once.iter().zip(of(shards, recompute)) {
            let largest = a.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            let gap = gap(a, &b);
            assert!(gap < 1e-5 * (1.0 + largest), "{path}: {gap}, {shards} shards, {recompute}");
        }
    }
}

#[test]
fn dropout_draws_anew_at_every_step_and_goes_on_after_a_checkpoint() {
    let config = LoraConfig { lora_dropout: 0.5, ..lora() };
    let mut learner = trained(&config);
    let norm = |learner: &mut Learner| {
        accumulate(learner);
        learner.step(0.0).unwrap().grad_norm
    };
    let dir = tempfile::tempdir().unwrap();
    learner.save_state(dir.path()).unwrap();
    let (first, second) = (norm(&mut learner), norm(&mut learner));
    assert_ne!(first, second, "the same draws in two steps");
    let mut again = Learner::new(decoder().with_lora(&config, 1).unwrap(), Default::default());
    again.load_state(dir.path()).unwrap();
    assert_eq!((norm(&mut again), norm(&mut again)), (first, second));
}

#[test]
fn options_of_a_file_that_are_not_known_are_named() {
    let dir = tempfile::tempdir().unwrap();
    decoder().with_lora(&lora(), 0).unwrap().save_adapter(dir.path(), Default::default()).unwrap();
    let path = dir.path().join("adapter_config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let with = |field: &str, value: serde_json::Value| {
        let mut changed = config.clone();
        changed[field] = value;
        std::fs::write(&path, changed.to_string()).unwrap();
        decoder().with_adapter(dir.path())
    };
    for field in ["use_qalora", "lora_bias", "never_heard_of", "fan_in_fan_out"] {
        let error = with(field, true.into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("adapter_config.json"), "{error}");
    }
    assert!(with("never_heard_of", serde_json::Value::Null).is_ok());
    let error = with("peft_type", "IA3".into()).unwrap_err().to_string();
    assert!(error.contains("IA3"), "{error}");
    let error = with("init_lora_weights", "pissa".into()).unwrap_err().to_string();
    assert!(error.contains("pissa"), "{error}");
    let error = with("r", 4.into()).unwrap_err();
    assert!(matches!(error, ModelError::TensorShape { .. }), "{error}");
    let error = with("target_modules", serde_json::json!(["q_proj"])).unwrap_err();
    assert!(matches!(error, ModelError::UnknownTensor { .. }), "{error}");
}
