use crate::recorder::{Old, Recorder};
use crate::reference::{self, count, ids, learner_config, number, schedule};
use crate::tally::Tally;
use refire::burn::tensor::Device;
use refire::core::{
    BoxError, Completion, Finish, Flow, Group, Prompt, PromptSource, Request, Reward,
    RolloutEngine, RolloutEvent, SamplingParams, Score, Stateful, WeightUpdate, reward_fn,
};
use refire::grpo::PolicyLossConfig;
use refire::grpo::advantage::{GroupNorm, Scale};
use refire::grpo::loss::{ClipOptions, ClipRange, LogRatioClamp, LossKind, RatioLevel};
use refire::model::{Decoder, Learner};
use refire::objective::{Aggregation, Policy, RowCount, TokenBatch, padded};
use refire::train::{MicroBatch, RlConfig, RlTrainer, RolloutStage};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

pub(crate) fn run(file: &Path, tally: &mut Tally) {
    let golden = reference::read(file);
    let decoder = reference::decoder(file, &golden);
    for (name, run) in reference::runs(&golden) {
        tally.case(name, || check(&decoder, &golden, run));
    }
}

fn check(decoder: &Decoder, golden: &Value, run: &Value) {
    let args = &run["args"];
    let script = Script::new(golden);
    let learner = Learner::new(decoder.clone(), learner_config(args));
    let reference = learner.freeze();
    let (mut policy, steps) = Recorder::policy(learner);
    if run["old_logps_source"] == "recorded_old_logps" {
        policy.old = Some(script.old());
    }
    let epochs = count(args, "num_iterations");
    let rows = count(args, "per_device_train_batch_size");
    let config = RlConfig {
        steps: count(args, "max_steps").div_ceil(epochs) as u64,
        prompts_per_step: script.prompts,
        group_size: count(args, "num_generations"),
        sampling: SamplingParams {
            temperature: number(args, "temperature") as f32,
            max_tokens: count(args, "max_completion_length"),
            ..SamplingParams::default()
        },
        epochs,
        micro_batch: MicroBatch { rows, tokens: 100_000 },
        learning_rate: number(args, "learning_rate"),
        schedule: schedule(args),
        mask_truncated: args["mask_truncated_completions"].as_bool().unwrap(),
        ..RlConfig::default()
    };
    let stage = RolloutStage {
        source: Box::new(script.source()),
        reward: script.reward(),
        engine: Box::new(script),
        filter: None,
        refill: config.refill,
        on_unavailable: config.on_unavailable,
    };
    let scale = match args["scale_rewards"].as_str().unwrap() {
        "group" => Scale::Std,
        "none" => Scale::None,
        "batch" => Scale::Batch,
        other => panic!("unknown scale {other}"),
    };
    let advantage = GroupNorm { scale, ..GroupNorm::default() };
    let objective = Box::new(loss(args).build().unwrap());
    let trainer =
        RlTrainer::new(Box::new(policy), stage, Box::new(advantage), objective, config).unwrap();
    trainer.with_reference(reference).run().unwrap();
    reference::compare(&steps.lock().unwrap(), run);
}

fn loss(args: &Value) -> PolicyLossConfig {
    let low = number(args, "epsilon");
    let aggregation = match args["loss_type"].as_str().unwrap() {
        "grpo" => Aggregation::seq_mean_token_mean(RowCount::All),
        "dapo" => Aggregation::TokenMean,
        "bnpo" => Aggregation::TokenMeanLocal,
        "dr_grpo" => {
            Aggregation::SumNorm { length: number(args, "max_completion_length"), per_row: true }
        }
        other => panic!("unknown loss {other}"),
    };
    let ratio = match args["importance_sampling_level"].as_str().unwrap() {
        "token" => RatioLevel::Token,
        "sequence" => RatioLevel::Sequence,
        other => panic!("unknown level {other}"),
    };
    PolicyLossConfig {
        surrogate: LossKind::PpoClip(ClipOptions {
            clip_range: ClipRange { low, high: args["epsilon_high"].as_f64().unwrap_or(low) },
            delta: args["delta"].as_f64(),
            dual_clip: None,
        }),
        ratio,
        log_ratio_clamp: LogRatioClamp::NONE,
        kl_beta: number(args, "beta"),
        kl_bias_correction: number(args, "beta") > 0.0,
        aggregation,
        ..PolicyLossConfig::default()
    }
}

/// Recorded completions in the place of an engine.
struct Script {
    generations: Vec<Vec<Group>>,
    rewards: HashMap<Vec<u32>, f64>,
    old: HashMap<Vec<u32>, Vec<f32>>,
    prompts: usize,
    next: usize,
}

impl Script {
    fn new(golden: &Value) -> Self {
        let end = golden["eos_token_id"].as_u64().unwrap() as u32;
        let (mut rewards, mut old) = (HashMap::new(), HashMap::new());
        let mut id = 0;
        let mut generation = |generation: &Value| -> Vec<Group> {
            let rows = generation["rows"].as_array().unwrap();
            let prompts = generation["prompts"].as_array().unwrap().iter().map(ids);
            let groups = prompts.enumerate().map(|(index, prompt)| {
                let own = rows.iter().filter(|row| count(row, "prompt") == index);
                let completions = own.map(|row| {
                    let tokens = ids(&row["completion_ids"]);
                    let whole = [&prompt[..], &tokens[..]].concat();
                    let recorded = row["recorded_old_logps"].as_array().unwrap().iter();
                    let recorded = recorded.map(|x| x.as_f64().unwrap() as f32).collect();
                    rewards.insert(whole.clone(), number(row, "reward"));
                    old.insert(whole, recorded);
                    let cut = tokens.last() != Some(&end);
                    let given = Completion::given(tokens);
                    Completion {
                        finish: if cut { Finish::Length } else { given.finish.clone() },
                        ..given
                    }
                });
                let completions: Vec<_> = completions.collect();
                id += 1;
                let prompt = Prompt { id, tokens: prompt.clone(), ..Prompt::default() };
                Group { request: Request { prompt, ..Request::default() }, completions }
            });
            groups.collect()
        };
        let generations: Vec<_> =
            golden["generations"].as_array().unwrap().iter().map(&mut generation).collect();
        let prompts = generations[0].len();
        Self { generations, rewards, old, prompts, next: 0 }
    }

    fn source(&self) -> Prompts {
        let requests = self.generations.iter().flatten().map(|group| group.request.clone());
        Prompts(requests.collect::<Vec<_>>().into_iter())
    }

    fn reward(&self) -> Box<dyn Reward> {
        let rewards = self.rewards.clone();
        Box::new(reward_fn("recorded", move |item| {
            let whole = [&item.prompt.tokens[..], &item.completion.tokens[..]].concat();
            Ok(Score::value(rewards[&whole]))
        }))
    }

    fn old(&self) -> Old {
        let old = self.old.clone();
        Box::new(move |batch: &TokenBatch| {
            let segment = |row| batch.targets.iter().find(|t| t.row == row).unwrap().segment;
            let rows: Vec<&[f32]> =
                (0..batch.rows).map(|row| old[&batch.expanded(segment(row))].as_slice()).collect();
            padded::floats(rows, batch.width, &Device::flex())
        })
    }
}

impl RolloutEngine for Script {
    fn generate(
        &mut self,
        requests: &[Request],
        _sink: &mut dyn FnMut(RolloutEvent<'_>) -> Flow,
    ) -> Result<Vec<Group>, BoxError> {
        let mut groups = self.generations[self.next].clone();
        self.next += 1;
        assert_eq!(requests.len(), groups.len());
        for (group, request) in groups.iter_mut().zip(requests) {
            assert_eq!(group.request.prompt, request.prompt);
            group.request = request.clone();
        }
        Ok(groups)
    }
    fn refresh(&mut self, _update: &WeightUpdate<'_>) -> Result<(), BoxError> {
        Ok(())
    }
    fn release(&mut self) {}
    fn weights_version(&self) -> u64 {
        0
    }
}

struct Prompts(std::vec::IntoIter<Request>);

impl Stateful for Prompts {}

impl PromptSource for Prompts {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        Ok(self.0.by_ref().take(n).map(|r| Request { n: 0, ..r }).collect())
    }
}
