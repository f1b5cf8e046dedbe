//! What an adapted model computes.

use crate::Adapted;
use crate::gradients::accumulate;
use crate::reference::{close, floats, ids, query, relative, values};
use refire::burn::tensor::Tensor;
use refire::model::{Decoder, Rows};
use refire::objective::{Policy, TokenBatch};
use safetensors::SafeTensors;
use serde_json::Value;

fn last(logits: Tensor<2>, vocab: usize) -> Vec<f64> {
    let all = values(logits);
    all[all.len() - vocab..].to_vec()
}

pub(crate) fn logits(adapted: &Adapted) {
    let (decoder, vocab) = (&adapted.model.decoder, adapted.model.decoder.config.vocab_size);
    let learner = adapted.model.learner();
    for sequence in adapted.sequences() {
        let tokens = ids(&sequence["input_ids"]);
        let found = decoder.logits(&tokens).unwrap();
        let expected = floats(&sequence["last_logits_with_adapter"]);
        close(&last(found.clone(), vocab), &expected, "last logits");
        if let Some(rows) = sequence["logits_with_adapter"].as_array() {
            let all: Vec<f64> = rows.iter().flat_map(floats).collect();
            close(&values(found), &all, "logits");
        }
        let batch = TokenBatch::continuations([(&tokens[..1], &tokens[1..])]);
        let stats = learner.token_stats(&batch, &query(&[1.0])).unwrap();
        let expected = floats(&sequence["logprobs_with_adapter"]);
        close(&values(stats.logprobs), &expected, "log-probabilities");
    }
}

/// Without its adapter the model is the base, bit for bit.
pub(crate) fn switched_off(adapted: &Adapted) {
    let off = adapted.model.decoder.base();
    for sequence in adapted.sequences() {
        let tokens = ids(&sequence["input_ids"]);
        let logits = |decoder: &Decoder| values(decoder.logits(&tokens).unwrap());
        assert!(logits(&off) == logits(&adapted.base.decoder), "another model than the base");
    }
}

pub(crate) fn merged(adapted: &Adapted) {
    let merged = adapted.model.decoder.merged();
    assert!(merged.adapter().is_none());
    let vocab = merged.config.vocab_size;
    for sequence in adapted.sequences() {
        let tokens = ids(&sequence["input_ids"]);
        let found = last(merged.logits(&tokens).unwrap(), vocab);
        close(&found, &floats(&sequence["last_logits_merged"]), "last logits, merged");
    }
    let dir = tempfile::tempdir().unwrap();
    let learner = adapted.model.learner();
    learner.export_merged(dir.path(), Default::default()).unwrap();
    let bytes = std::fs::read(dir.path().join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let expected = adapted.reference["merged_weight_l2"].as_object().unwrap();
    for (name, norm) in expected {
        // A head that shares the embedding's weight is not in the file.
        let Ok(view) = tensors.tensor(name) else {
            assert!(name == "lm_head.weight" && merged.config.tie_word_embeddings, "no {name}");
            continue;
        };
        let squares = view.data().chunks_exact(4).map(|b| {
            let value = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            f64::from(value).powi(2)
        });
        relative(squares.sum::<f64>().sqrt(), norm.as_f64().unwrap(), 1e-5, name);
    }
}

pub(crate) fn gradients(adapted: &Adapted) {
    let loss = &adapted.reference["loss"];
    let mut learner = adapted.model.learner();
    let report = accumulate(&adapted.model, &mut learner);
    let number = |value: &Value| value.as_f64().unwrap();
    relative(report.total, number(&loss["mean_cross_entropy"]), 1e-5, "loss");
    let norms = learner.gradient_norms().unwrap();
    let expected = loss["grad_norm_per_tensor"].as_object().unwrap();
    assert_eq!(norms.len(), expected.len(), "tensors with a gradient");
    for (path, norm) in &norms {
        let name = on_disk(path);
        let theirs = expected.get(&name).unwrap_or_else(|| panic!("{name} has no gradient"));
        relative(*norm, number(theirs), 1e-4, &name);
    }
    let global = learner.step(0.0).unwrap().grad_norm;
    relative(global, number(&loss["grad_norm_global"]), 1e-4, "global norm");
}

fn on_disk(path: &str) -> String {
    let ends = [
        (".lora.a", ".lora_A.weight"),
        (".lora.b", ".lora_B.weight"),
        (".lora.magnitude", ".lora_magnitude_vector"),
    ];
    let found = ends.iter().find_map(|(ours, theirs)| {
        path.strip_suffix(ours).map(|module| format!("{module}{theirs}"))
    });
    format!("base_model.model.{}", found.unwrap_or_else(|| path.to_owned()))
}

/// Training moves the adapter and leaves the base as it was, in every bit.
pub(crate) fn training(adapted: &Adapted) {
    let mut learner = adapted.model.learner();
    let tokens = vec![ids(&adapted.sequences()[0]["input_ids"])];
    let hidden = |decoder: &Decoder| values(decoder.valid_hidden(&Rows::new(tokens.clone())));
    let before = learner.handle().with(|decoder, _| (hidden(decoder), hidden(&decoder.base())));
    let before = before.unwrap();
    let info = learner.info();
    assert!(info.trainable < info.parameters);
    for _ in 0..3 {
        accumulate(&adapted.model, &mut learner);
        learner.step(1e-2).unwrap();
    }
    let after = learner.handle().with(|decoder, _| (hidden(decoder), hidden(&decoder.base())));
    let after = after.unwrap();
    assert!(after.0 != before.0, "the adapter has learned nothing");
    assert!(after.1 == before.1, "the base has moved");
    assert!(before.1 == hidden(&adapted.base.decoder), "the base is another");

    // What is saved is the adapter's, and comes back.
    let dir = tempfile::tempdir().unwrap();
    learner.save_state(dir.path()).unwrap();
    let mut again = adapted.model.learner();
    again.load_state(dir.path()).unwrap();
    accumulate(&adapted.model, &mut learner);
    accumulate(&adapted.model, &mut again);
    learner.step(1e-2).unwrap();
    again.step(1e-2).unwrap();
    let weights = |l: &refire::model::Learner| l.handle().with(|d, _| hidden(d)).unwrap();
    assert!(weights(&learner) == weights(&again), "a resumed run goes elsewhere");
}

/// Hidden states without gradient.
trait ValidHidden {
    fn valid_hidden(&self, rows: &Rows) -> Tensor<2>;
}

impl ValidHidden for Decoder {
    fn valid_hidden(&self, rows: &Rows) -> Tensor<2> {
        use refire::burn::module::Module;
        self.valid().hidden(rows).unwrap()
    }
}
