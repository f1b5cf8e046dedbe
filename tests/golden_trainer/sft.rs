use crate::recorder::Recorder;
use crate::reference::{self, count, ids, learner_config, number, schedule};
use crate::tally::Tally;
use refire::core::{BoxError, Row, RowSource, Stateful};
use refire::model::{Decoder, Learner};
use refire::sft::NllConfig;
use refire::train::{MicroBatch, SftConfig, SftTrainer};
use serde_json::Value;
use std::path::Path;

pub(crate) fn run(file: &Path, tally: &mut Tally) {
    let golden = reference::read(file);
    let decoder = reference::decoder(file, &golden);
    for (name, run) in reference::runs(&golden) {
        tally.case(name, || {
            let masked = run["args"]["completion_only_loss"].as_bool().unwrap();
            let rows = golden["data"].as_array().unwrap().iter().map(|row| data_row(row, masked));
            check(&decoder, run, rows.collect());
        });
    }
}

fn data_row(row: &Value, masked: bool) -> Row {
    let tokens = ids(&row["input_ids"]);
    let mask = ids(&row["completion_mask"]).iter().map(|m| !masked || *m != 0).collect();
    Row { tokens, loss_mask: mask, ..Row::default() }
}

/// Trains on rows in order, as TRL did.
pub(crate) fn check(decoder: &Decoder, run: &Value, rows: Vec<Row>) {
    let args = &run["args"];
    let micro = count(args, "per_device_train_batch_size");
    let (policy, steps) = Recorder::policy(Learner::new(decoder.clone(), learner_config(args)));
    let config = SftConfig {
        steps: count(args, "max_steps") as u64,
        rows_per_step: micro * count(args, "gradient_accumulation_steps"),
        // A packed row holds several documents.
        micro_batch: MicroBatch { rows: 16 * micro, tokens: 24 * micro },
        learning_rate: number(args, "learning_rate"),
        schedule: schedule(args),
        ..SftConfig::default()
    };
    let source = Box::new(InOrder(rows.into_iter()));
    let objective = Box::new(NllConfig::default().build().unwrap());
    let mut trainer = SftTrainer::new(Box::new(policy), source, objective, config).unwrap();
    trainer.run().unwrap();
    reference::compare(&steps.lock().unwrap(), run);
}

struct InOrder(std::vec::IntoIter<Row>);

impl Stateful for InOrder {}

impl RowSource for InOrder {
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
        Ok(self.0.by_ref().take(n).collect())
    }
}
