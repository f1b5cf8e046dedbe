use crate::recorder::Recorder;
use crate::reference::{self, count, ids, learner_config, number, schedule};
use crate::tally::Tally;
use refire::core::{BoxError, Preference, PreferenceSource, Stateful};
use refire::dpo::{DpoConfig, PairLoss, WeightedLoss};
use refire::model::{Decoder, Learner};
use refire::objective::Policy;
use refire::train::{MicroBatch, PreferenceConfig, PreferenceTrainer};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn run(file: &Path, tally: &mut Tally) {
    let golden = reference::read(file);
    let decoder = reference::decoder(file, &golden);
    for (name, run) in reference::runs(&golden) {
        tally.case(name, || {
            let pairs = golden["data"].as_array().unwrap().iter().map(|row| {
                let of = |name: &str| ids(&row[name]);
                Preference::pair(0, of("prompt_ids"), of("chosen_ids"), of("rejected_ids"))
            });
            check(&decoder, run, pairs.collect());
        });
    }
}

fn check(decoder: &Decoder, run: &Value, pairs: Vec<Preference>) {
    let args = &run["args"];
    let learner = Learner::new(decoder.clone(), learner_config(args));
    let reference = learner.freeze();
    let (policy, steps) = Recorder::policy(learner);
    let objective = Box::new(loss(args).build().unwrap());
    let source = Box::new(InOrder::new(pairs));
    let trainer =
        PreferenceTrainer::new(Box::new(policy), source, objective, config(args)).unwrap();
    trainer.with_reference(reference).run().unwrap();
    reference::compare(&steps.lock().unwrap(), run);
}

pub(crate) fn config(args: &Value) -> PreferenceConfig {
    let micro = count(args, "per_device_train_batch_size");
    PreferenceConfig {
        steps: count(args, "max_steps") as u64,
        preferences_per_step: micro * count(args, "gradient_accumulation_steps"),
        micro_batch: MicroBatch { rows: 2 * micro, tokens: 100_000 },
        learning_rate: number(args, "learning_rate"),
        schedule: schedule(args),
        ..PreferenceConfig::default()
    }
}

fn loss(args: &Value) -> DpoConfig {
    let names = args["loss_type"].as_array().unwrap();
    let weight = |index: usize| args["loss_weights"][index].as_f64().unwrap_or(1.0);
    let losses = names.iter().enumerate().map(|(index, name)| {
        let smoothing = number(args, "label_smoothing");
        let loss = match name.as_str().unwrap() {
            "robust" => json!({"robust": {"label_smoothing": smoothing}}),
            "sigmoid" if smoothing > 0.0 => json!({"cdpo": {"label_smoothing": smoothing}}),
            other => json!(other),
        };
        let loss: PairLoss = serde_json::from_value(loss).unwrap();
        WeightedLoss { loss, weight: weight(index) }
    });
    DpoConfig { beta: number(args, "beta"), losses: losses.collect(), ..DpoConfig::default() }
}

pub(crate) struct InOrder(std::vec::IntoIter<Preference>);

impl InOrder {
    pub(crate) fn new(pairs: Vec<Preference>) -> Self {
        Self(pairs.into_iter())
    }
}

impl Stateful for InOrder {}

impl PreferenceSource for InOrder {
    fn next(&mut self, n: usize) -> Result<Vec<Preference>, BoxError> {
        Ok(self.0.by_ref().take(n).collect())
    }
}
