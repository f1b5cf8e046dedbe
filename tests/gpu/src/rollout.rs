//! A step of reinforcement learning as a user would run it: prompts, completions, rewards, updates.

#[path = "../../common/network.rs"]
mod network;

use crate::compare::{self, BACKWARD};
use crate::tally::Tally;
use crate::training::{options, read};
use network::network;
use refire::burn::module::Module;
use refire::burn::tensor::Device;
use refire::core::{
    BoxError, Callback, Control, Event, SamplingParams, Score, Stateful, reward_fn,
};
use refire::grpo::{PolicyLossConfig, Recipe, preset};
use refire::model::{Dtype, Learner, ValueLearner, save_weights};
use refire::objective::Policy;
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use refire::tasks::countdown::{Codec, Config, Prompts};
use refire::train::{CriticConfig, MicroBatch, Refill, RlConfig, RlTrainer, RolloutStage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What log-probabilities are rounded to, and so what the measurements made of their differences
/// are, however small those are themselves.
const ROUNDING: f64 = 1e-5;

/// Four updates each: GRPO with a divergence from a reference, PPO with a critic.
pub fn run(tally: &mut Tally, device: &Device) {
    let grpo = preset::grpo();
    let loss = PolicyLossConfig { kl_beta: 0.05, entropy_coef: 0.01, ..grpo.loss.clone() };
    for (name, recipe) in [("GRPO", Recipe { loss, ..grpo }), ("PPO", preset::ppo())] {
        tally.check(&format!("a step of {name}"), || {
            let found = train(device, &recipe)?;
            let expected = train(&Device::flex(), &recipe)?;
            agree(&found, &expected)
        });
    }
}

fn agree(found: &Run, expected: &Run) -> Result<String, BoxError> {
    if found.tokens != expected.tokens {
        return Err(format!("{:?} instead of {:?}", found.tokens, expected.tokens).into());
    }
    if !found.measured.keys().eq(expected.measured.keys()) {
        return Err(format!("{:?} instead of {:?}", found.measured, expected.measured).into());
    }
    for (name, expected) in &expected.measured {
        let found = found.measured[name];
        let allowed = BACKWARD * expected.abs() + ROUNDING;
        // Not a number is apart from everything.
        if !((found - expected).abs() <= allowed) {
            return Err(format!("{name} is {found:e} instead of {expected:e}").into());
        }
    }
    let weights = compare::all(&found.weights, &expected.weights, BACKWARD)?;
    let moved = compare::all(&expected.weights, &expected.before, f64::INFINITY)?;
    if moved < 10.0 * BACKWARD {
        return Err(format!("training moved weights by {moved:.1e} only").into());
    }
    let (rows, names) = (found.tokens.len(), found.measured.len());
    Ok(format!(
        "the same tokens in {rows} completions and the same {names} measurements, weights \
         {weights:.1e} apart after they moved by {moved:.1e}"
    ))
}

/// What a run left.
struct Run {
    tokens: Vec<Vec<u32>>,
    measured: BTreeMap<String, f64>,
    before: BTreeMap<String, Vec<f32>>,
    weights: BTreeMap<String, Vec<f32>>,
}

fn train(device: &Device, recipe: &Recipe) -> Result<Run, BoxError> {
    let codec = Codec::new(30);
    let learner = learner(codec, device);
    let handle = learner.handle();
    let weights = || -> Result<_, BoxError> {
        let folder = tempfile::tempdir()?;
        handle.with(|decoder, _| save_weights(decoder, folder.path(), Dtype::F32))??;
        read(folder.path())
    };
    let before = weights()?;
    let recorder = Recorder::default();
    let seen = recorder.0.clone();
    trainer(codec, learner, recipe)?.with_callback(recorder).run()?;
    let Seen { tokens, measured } = std::mem::take(&mut *seen.lock().map_err(|_| "poisoned")?);
    Ok(Run { tokens, measured, before, weights: weights()? })
}

fn learner(codec: Codec, device: &Device) -> Learner {
    Learner::new(network(codec, device), options())
}

fn trainer(codec: Codec, learner: Learner, recipe: &Recipe) -> Result<RlTrainer, BoxError> {
    let rules = Config { numbers: 2, max_number: 6, max_value: 30 };
    let text = Arc::new(Text(codec, [codec.end_token()]));
    let engine = LocalEngine::new(learner.handle(), text, EngineConfig::default())?;
    // Rewards with a spread: an untrained model is hardly ever right.
    let reward =
        reward_fn("brevity", |item| Ok(Score::value(-(item.completion.len() as f64) / 10.0)));
    let config = RlConfig {
        steps: 1,
        prompts_per_step: 4,
        group_size: 6,
        sampling: SamplingParams { max_tokens: 8, seed: 5, ..SamplingParams::default() },
        epochs: 2,
        minibatches: 2,
        micro_batch: MicroBatch { rows: 7, tokens: 10_000 },
        learning_rate: 1e-2,
        critic: CriticConfig { learning_rate: 1e-2, warmup_steps: 0 },
        refill: Refill { max_rounds: 2, ..Refill::default() },
        ..RlConfig::default()
    };
    let stage = RolloutStage {
        source: Box::new(Prompts::new(rules.problems()?, codec, 3)?),
        engine: Box::new(engine),
        reward: Box::new(reward),
        filter: None,
        refill: config.refill,
        on_unavailable: config.on_unavailable,
    };
    let reference = learner.freeze();
    let advantage = recipe.advantage.build()?;
    let objective = Box::new(recipe.loss.build()?);
    let critic = match &recipe.value {
        Some(value) => {
            let decoder = learner.handle().with(|decoder, _| decoder.valid())?;
            let critic = ValueLearner::new(decoder.with_score_head(9), options())?;
            Some((critic, value.build()?))
        }
        None => None,
    };
    let trainer = RlTrainer::new(Box::new(learner), stage, advantage, objective, config)?
        .with_reference(reference);
    Ok(match critic {
        Some((critic, objective)) => trainer.with_critic(Box::new(critic), Box::new(objective)),
        None => trainer,
    })
}

/// What a run did.
#[derive(Default)]
struct Seen {
    tokens: Vec<Vec<u32>>,
    measured: BTreeMap<String, f64>,
}

/// Takes notes of a run.
#[derive(Default)]
struct Recorder(Arc<Mutex<Seen>>);

impl Stateful for Recorder {}

impl Callback for Recorder {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        let mut seen = self.0.lock().map_err(|_| "poisoned")?;
        match event {
            Event::Rollouts { groups, .. } => {
                let completions = groups.iter().flat_map(|group| &group.completions);
                seen.tokens.extend(completions.map(|completion| completion.tokens.clone()));
            }
            Event::Step { metrics, .. } => {
                // Times differ.
                let kept = metrics.iter().filter(|(name, _)| !name.contains("second"));
                let kept = kept.map(|(name, value)| (name.to_owned(), value));
                seen.measured.extend(kept);
            }
            _ => {}
        }
        Ok(Control::Continue)
    }
}

/// The task's vocabulary.
struct Text(Codec, [u32; 1]);

impl Detokenize for Text {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        Ok(self.0.text(tokens))
    }

    fn end_tokens(&self) -> &[u32] {
        &self.1
    }
}
