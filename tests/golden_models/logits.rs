use crate::reference::{Model, close, floats, ids, query, values};
use refire::model::Rows;
use refire::objective::{Policy, TokenBatch};
use serde_json::Value;

pub(crate) fn check(model: &Model) {
    let learner = model.learner();
    for sequence in model.sequences() {
        let tokens = ids(&sequence["input_ids"]);
        let logits = values(model.decoder.logits(&tokens).unwrap());
        let expected: Vec<f64> =
            sequence["logits"].as_array().unwrap().iter().flat_map(floats).collect();
        close(&logits, &expected, "logits");
        let batch = TokenBatch::continuations([(&tokens[..1], &tokens[1..])]);
        let stats = learner.token_stats(&batch, &query(&[1.0])).unwrap();
        close(&values(stats.logprobs), &floats(&sequence["logprobs"]), "log-probabilities");
    }
}

/// Padded on either side, rows have the logits that they have alone.
pub(crate) fn padding(model: &Model) {
    for side in ["batch_left_padded", "batch_right_padded"] {
        let batch = &model.reference[side];
        let rows = rows_of(batch);
        let hidden = model.decoder.hidden(&rows).unwrap();
        let logits = hidden.matmul(model.decoder.head_weight().transpose());
        for (row, tokens) in rows.as_slice().iter().enumerate() {
            let last = row * rows.width() + tokens.len() - 1;
            let ours = values(logits.clone().narrow(0, last, 1));
            let ours: Vec<f64> = match model.decoder.config.final_softcap {
                Some(cap) => ours.into_iter().map(|x| cap * (x / cap).tanh()).collect(),
                None => ours,
            };
            let what = format!("{side}, row {row}");
            close(&ours, &floats(&batch["last_real_logits"][row]), &what);
            let single = values(model.decoder.logits(tokens).unwrap());
            close(&ours, &single[single.len() - ours.len()..], &what);
        }
    }
}

pub(crate) fn rows_of(batch: &Value) -> Rows {
    let lists =
        |key: &str| -> Vec<Vec<u32>> { batch[key].as_array().unwrap().iter().map(ids).collect() };
    let mask: Vec<Vec<u8>> =
        lists("attention_mask").iter().map(|row| row.iter().map(|m| *m as u8).collect()).collect();
    Rows::from_mask(&lists("input_ids"), &mask)
}

/// Longer than the context that a model with stretched positions was first trained on.
pub(crate) fn long_sequence(model: &Model) {
    let long = &model.reference["long_sequence"];
    if long.is_null() {
        return;
    }
    let tokens = ids(&long["input_ids"]);
    let logits = values(model.decoder.logits(&tokens).unwrap());
    let vocab = model.decoder.config.vocab_size;
    let row = |index: usize| &logits[index * vocab..][..vocab];
    close(row(tokens.len() - 1), &floats(&long["last_logits"]), "last logits of a long sequence");
    close(row(10), &floats(&long["logits_at_10"]), "logits at 10 of a long sequence");
}
