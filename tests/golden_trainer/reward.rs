use crate::dpo::{InOrder, config};
use crate::recorder::Recorder;
use crate::reference::{self, ids, learner_config, number};
use crate::tally::Tally;
use refire::burn::module::Param;
use refire::burn::tensor::{Device, TensorData};
use refire::core::Preference;
use refire::dpo::reward::RewardLossConfig;
use refire::model::{Decoder, ValueLearner};
use refire::train::RewardTrainer;
use serde_json::Value;
use std::path::Path;

pub(crate) fn run(file: &Path, tally: &mut Tally) {
    let golden = reference::read(file);
    let decoder = scorer(reference::decoder(file, &golden), &golden["score_weight"]);
    for (name, run) in reference::runs(&golden) {
        tally.case(name, || {
            // Only one of the runs was given the column of margins.
            let with_margin = name.contains("margin");
            let rows = golden["data"].as_array().unwrap().iter();
            check(&decoder, run, rows.map(|row| pair(row, with_margin)).collect());
        });
    }
}

/// The model with the head that TRL's run began with.
fn scorer(decoder: Decoder, weight: &Value) -> Decoder {
    let mut scorer = decoder.with_score_head(0);
    let weight: Vec<f32> =
        weight.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    let data = TensorData::new(weight.clone(), [1, weight.len()]);
    scorer.score.as_mut().unwrap().weight = Param::from_data(data, &Device::flex()).into();
    scorer
}

fn pair(row: &Value, with_margin: bool) -> Preference {
    let (chosen, rejected) = (ids(&row["chosen_ids"]), ids(&row["rejected_ids"]));
    let margin = if with_margin { number(row, "margin") } else { 0.0 };
    // Whole rows were judged: there is no prompt apart.
    Preference { margin, ..Preference::pair(0, Vec::new(), chosen, rejected) }
}

fn check(decoder: &Decoder, run: &Value, pairs: Vec<Preference>) {
    let args = &run["args"];
    let learner = ValueLearner::new(decoder.clone(), learner_config(args)).unwrap();
    let (model, steps) = Recorder::critic(learner);
    let center_coefficient = args["center_rewards_coefficient"].as_f64().unwrap_or(0.0);
    let objective = Box::new(RewardLossConfig { center_coefficient }.build().unwrap());
    let source = Box::new(InOrder::new(pairs));
    RewardTrainer::new(Box::new(model), source, objective, config(args)).unwrap().run().unwrap();
    reference::compare(&steps.lock().unwrap(), run);
}
