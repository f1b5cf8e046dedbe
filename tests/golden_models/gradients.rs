use crate::logits::rows_of;
use crate::reference::{Model, query, relative};
use refire::model::{Learner, LearnerConfig, Rows};
use refire::objective::{Loss, LossReport, Policy, Segment, Target, TokenBatch};
use serde_json::Value;

pub(crate) fn check(model: &Model) {
    let loss = &model.reference["loss"];
    let mut learner = model.learner();
    let report = accumulate(model, &mut learner);
    relative(report.total, number(&loss["mean_cross_entropy"]), 1e-5, "loss");
    let norms = learner.gradient_norms().unwrap();
    let expected = loss["grad_norm_per_tensor"].as_object().unwrap();
    assert_eq!(norms.len(), expected.len(), "tensors with a gradient");
    for (path, norm) in expected {
        let ours = norms.get(path).unwrap_or_else(|| panic!("no gradient of {path}"));
        relative(*ours, number(norm), 1e-4, path);
    }
    let global = learner.step(0.0).unwrap().grad_norm;
    relative(global, number(&loss["grad_norm_global"]), 1e-4, "global norm");
}

/// The loss that balances experts, by itself and added to training.
pub(crate) fn router(model: &Model) {
    let expected = &model.reference["loss"]["router_aux"];
    if expected.is_null() {
        return;
    }
    let rows = rows(model);
    let (_, routing) = model.decoder.hidden_and_routing(&rows).unwrap();
    let auxiliary = f64::from(routing.unwrap().loss().into_scalar::<f32>());
    relative(auxiliary, number(&expected["aux_loss"]), 1e-5, "auxiliary loss");
    let coefficient = model.decoder.config.router_aux_loss_coef;
    relative(coefficient, number(&expected["coef"]), 1e-9, "its coefficient");

    let defaults = LearnerConfig::default;
    let learner = |shards, router_aux_loss_coef| {
        let config = LearnerConfig { shards, router_aux_loss_coef, ..defaults() };
        let mut learner = Learner::new(model.decoder.clone(), config);
        let report = accumulate(model, &mut learner);
        (report, learner)
    };
    let (report, balanced) = learner(1, Some(coefficient));
    let metric = report.metrics.iter().find(|metric| metric.name == "router_aux_loss").unwrap();
    let total = report.total + coefficient * metric.value().unwrap();
    relative(total, number(&expected["total_loss"]), 1e-5, "total loss");
    // Shards of a batch balance it as a whole.
    let (_, sharded) = learner(2, Some(coefficient));
    let (_, plain) = learner(1, None);
    let norms = [balanced, sharded, plain].map(|learner| learner.gradient_norms().unwrap());
    let mut moved = false;
    for (path, norm) in &norms[0] {
        relative(norms[1][path], *norm, 1e-4, path);
        moved |= path.ends_with("mlp.gate.weight") && (norm - norms[2][path]).abs() > 1e-5;
    }
    assert!(moved, "the auxiliary loss reaches no router");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn rows(model: &Model) -> Rows {
    let loss = &model.reference["loss"];
    rows_of(&model.reference[loss["batch"].as_str().unwrap()])
}

/// The gradient of the mean cross-entropy.
pub(crate) fn accumulate(model: &Model, learner: &mut Learner) -> LossReport {
    let loss = &model.reference["loss"];
    let rows = rows(model);
    let batch = labelled(&rows, &loss["labels"]);
    let n = number(&loss["n_targets"]);
    assert_eq!(batch.targets.len() as f64, n);
    let temperature = vec![1.0; rows.len()];
    let mean = &mut |stats: refire::objective::TokenStats| {
        Ok(Loss { total: stats.logprobs.sum() / -n, metrics: Vec::new() })
    };
    learner.accumulate(&batch, &query(&temperature), mean).unwrap()
}

/// Rows whose labels (unshifted, -100 ignored) are the targets.
fn labelled(rows: &Rows, labels: &Value) -> TokenBatch {
    let mut batch = TokenBatch { rows: rows.len(), width: rows.width(), ..Default::default() };
    for (row, tokens) in rows.as_slice().iter().enumerate() {
        batch.segments.push(Segment { tokens: tokens.clone(), parent: None });
        for position in 1..tokens.len() {
            if labels[row][position].as_i64() != Some(-100) {
                let target = Target { segment: row, position, row, column: position };
                batch.targets.push(target);
            }
        }
    }
    batch
}
