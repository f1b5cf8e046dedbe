use crate::reference::{self, ids};
use crate::sft;
use crate::tally::Tally;
use refire::core::Row;
use serde_json::Value;
use std::path::Path;

pub(crate) fn run(file: &Path, tally: &mut Tally) {
    let golden = reference::read(file);
    let decoder = reference::decoder(file, &golden);
    for (name, run) in reference::runs(&golden) {
        tally.case(name, || {
            let rows = run["rows"].as_array().unwrap().iter().map(packed_row);
            sft::check(&decoder, run, rows.collect());
        });
    }
}

fn packed_row(row: &Value) -> Row {
    let labels = row["labels"].as_array().unwrap().iter();
    Row {
        tokens: ids(&row["input_ids"]),
        loss_mask: labels.map(|label| label.as_i64().unwrap() >= 0).collect(),
        documents: ids(&row["seq_lengths"]).into_iter().map(|n| n as usize).collect(),
        ..Row::default()
    }
}
