//! A small run that every end-to-end test shares: Countdown, a tiny decoder, DAPO.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

mod network;

use refire::burn::tensor::Device;
use refire::core::{
    BoxError, Group, Preference, Prompt, PromptSource, Reward, SamplingParams, Score,
};
use refire::dpo::BcoConfig;
use refire::dpo::reward::RewardLossConfig;
use refire::grpo::advantage::{AdvantageConfig, RaeConfig};
use refire::grpo::control::{
    AdaptiveEntropyConfig, AdaptiveKlConfig, ReferenceSync, ReferenceSyncConfig,
};
use refire::grpo::loss::{ExpertLoss, MuSchedule};
use refire::grpo::{Chord, ChordConfig, PolicyLossConfig, Recipe, preset};
use refire::model::{Learner, LearnerConfig, ValueLearner};
use refire::objective::Policy;
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use refire::sft::input::{MaskedRows, MaskedThoughtConfig, Replacement};
use refire::sft::loss::{IftConfig, Nll};
use refire::tasks::Shuffled;
use refire::tasks::countdown::{Codec, Config, CountdownReward, Problem, Prompts, WarmUp};
use refire::train::{
    CheckpointConfig, CompletionsLog, CompletionsLogConfig, MetricsLog, MicroBatch,
    PreferenceConfig, PreferenceTrainer, ReferenceCache, Refill, RewardTrainer, RlConfig,
    RlTrainer, RolloutStage, SftConfig, SftTrainer,
};
use std::path::Path;
use std::sync::Arc;

pub(crate) struct Text(pub(crate) Codec, pub(crate) [u32; 1]);

impl Detokenize for Text {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        Ok(self.0.text(tokens))
    }
    fn end_tokens(&self) -> &[u32] {
        &self.1
    }
}

pub(crate) fn codec() -> Codec {
    Codec::new(30)
}

pub(crate) fn problems() -> Vec<Problem> {
    let config = Config { numbers: 2, max_number: 6, max_value: 30 };
    config.problems().unwrap()
}

pub(crate) fn learner(max_grad_norm: Option<f64>) -> Learner {
    let decoder = network::network(codec(), &Device::flex());
    let defaults = LearnerConfig::default();
    Learner::new(decoder, LearnerConfig { max_grad_norm, shards: 2, ..defaults })
}

pub(crate) fn checkpoints(dir: &Path, every: u64) -> CheckpointConfig {
    CheckpointConfig { every, ..CheckpointConfig::new(dir.join("checkpoints")) }
}

pub(crate) fn sft(dir: &Path, steps: u64) -> SftTrainer {
    let rows = WarmUp::new(problems(), codec(), 30, 3).unwrap();
    let config =
        SftConfig { steps, rows_per_step: 12, learning_rate: 3e-3, ..SftConfig::default() };
    SftTrainer::new(Box::new(learner(Some(1.0))), Box::new(rows), Box::new(Nll::default()), config)
        .unwrap()
        .with_callback(MetricsLog::new(dir))
        .with_checkpoints(checkpoints(dir, 2))
}

/// Worked solutions against others of the same length that are wrong.
pub(crate) fn preferences() -> Vec<Preference> {
    let codec = codec();
    let problems = problems();
    let preference = |(index, problem): (usize, &Problem)| {
        let prompt = codec.prompt(&problem.numbers, problem.target);
        let chosen = codec.solution(&problem.solutions(30)[0]);
        let mut rejected = chosen.clone();
        rejected.swap(0, 2);
        rejected[1] = chosen[0];
        Preference::pair(index as u64, prompt, chosen, rejected)
    };
    problems.iter().enumerate().take(40).map(preference).collect()
}

pub(crate) fn preference_config(steps: u64) -> PreferenceConfig {
    PreferenceConfig {
        steps,
        preferences_per_step: 6,
        micro_batch: MicroBatch { rows: 5, tokens: 10_000 },
        learning_rate: 1e-3,
        ..PreferenceConfig::default()
    }
}

/// BCO, whose objective remembers a running mean; with the reference's answers on disk.
pub(crate) fn preference(dir: &Path, steps: u64) -> PreferenceTrainer {
    let learner = learner(Some(1.0));
    let reference = learner.freeze();
    let single = preferences().into_iter().enumerate().map(|(index, pair)| {
        let desirable = index % 2 == 0;
        let completion = pair.completions[usize::from(!desirable)].clone();
        Preference::unpaired(pair.id, pair.prompt, completion, desirable)
    });
    let source = Box::new(Shuffled::new(single.collect(), 3).unwrap());
    let objective = Box::new(BcoConfig::default().build().unwrap());
    PreferenceTrainer::new(Box::new(learner), source, objective, preference_config(steps))
        .unwrap()
        .with_reference(reference)
        .with_reference_cache(ReferenceCache::open(dir).unwrap())
        .with_callback(MetricsLog::new(dir))
        .with_checkpoints(checkpoints(dir, 2))
}

pub(crate) fn reward_model(dir: &Path, steps: u64) -> RewardTrainer {
    let decoder = learner(None).handle().with(|decoder, _| decoder.clone()).unwrap();
    let config = LearnerConfig { shards: 2, ..LearnerConfig::default() };
    let model = Box::new(ValueLearner::new(decoder.with_score_head(5), config).unwrap());
    let source = Box::new(Shuffled::new(preferences(), 3).unwrap());
    let objective = Box::new(RewardLossConfig::default().build().unwrap());
    RewardTrainer::new(model, source, objective, preference_config(steps))
        .unwrap()
        .with_callback(MetricsLog::new(dir))
        .with_checkpoints(checkpoints(dir, 2))
}

pub(crate) fn rl_config(steps: u64) -> RlConfig {
    RlConfig {
        steps,
        prompts_per_step: 4,
        group_size: 6,
        sampling: SamplingParams { max_tokens: 8, seed: 5, ..SamplingParams::default() },
        epochs: 2,
        minibatches: 2,
        micro_batch: MicroBatch { rows: 7, tokens: 10_000 },
        learning_rate: 1e-3,
        refill: Refill { max_rounds: 2, ..Refill::default() },
        ..RlConfig::default()
    }
}

/// A reward with more spread than right or wrong: an untrained model is hardly ever right.
pub(crate) fn shaped() -> impl Reward {
    refire::core::reward_fn("shaped", |item| {
        let ends = f64::from(u8::from(!item.completion.is_truncated()));
        let shorter = -(item.completion.len() as f64) / 10.0;
        Ok(refire::core::Score::value(ends + shorter))
    })
}

pub(crate) fn rl(dir: &Path, config: RlConfig, reward: Box<dyn Reward>) -> RlTrainer {
    let source = Box::new(Prompts::new(problems(), codec(), 3).unwrap());
    rl_from(dir, config, reward, source)
}

pub(crate) fn rl_from(
    dir: &Path,
    config: RlConfig,
    reward: Box<dyn Reward>,
    source: Box<dyn PromptSource>,
) -> RlTrainer {
    let recipe = Recipe { filter: preset::dapo().filter, ..preset::grpo() };
    rl_with(dir, config, reward, source, recipe)
}

/// A run of any recipe; with a critic where it asks for one.
pub(crate) fn rl_with(
    dir: &Path,
    config: RlConfig,
    reward: Box<dyn Reward>,
    source: Box<dyn PromptSource>,
    recipe: Recipe,
) -> RlTrainer {
    let learner = learner(Some(1.0));
    let text = Arc::new(Text(codec(), [codec().end_token()]));
    let engine = LocalEngine::new(learner.handle(), text, EngineConfig::default()).unwrap();
    let stage = RolloutStage {
        source,
        engine: Box::new(engine),
        reward,
        filter: recipe.filter.as_ref().map(|filter| filter.build().unwrap()),
        refill: config.refill,
        on_unavailable: config.on_unavailable,
    };
    let reference = learner.freeze();
    let critic = recipe.value.map(|value| (critic(), Box::new(value.build().unwrap())));
    let mut trainer = RlTrainer::new(
        Box::new(learner),
        stage,
        recipe.advantage.build().unwrap(),
        Box::new(recipe.loss.build().unwrap()),
        config,
    )
    .unwrap();
    if let Some((critic, objective)) = critic {
        trainer = trainer.with_critic(critic, objective);
    }
    trainer
        .with_reference(reference)
        .with_callback(MetricsLog::new(dir))
        .with_callback(CompletionsLog::new(dir, CompletionsLogConfig::default()).unwrap())
        .with_checkpoints(checkpoints(dir, 2))
}

fn critic() -> Box<ValueLearner> {
    let decoder = learner(None).handle().with(|decoder, _| decoder.clone()).unwrap();
    let config = LearnerConfig { shards: 2, ..LearnerConfig::default() };
    Box::new(ValueLearner::new(decoder.with_score_head(9), config).unwrap())
}

/// PPO: a critic, GAE, the divergence in the reward.
pub(crate) fn ppo(dir: &Path, config: RlConfig) -> RlTrainer {
    let source = Box::new(Prompts::new(problems(), codec(), 3).unwrap());
    rl_with(dir, config, Box::new(shaped()), source, preset::ppo())
}

/// Everything with a memory: RAE's baselines, adaptive weights of KL and entropy.
pub(crate) fn controlled(dir: &Path, config: RlConfig) -> RlTrainer {
    let source = Box::new(Prompts::new(problems(), codec(), 3).unwrap());
    let loss = PolicyLossConfig {
        kl_beta: 0.05,
        kl_controller: Some(AdaptiveKlConfig { target: 0.01, horizon: 200.0 }),
        entropy_coef: 0.01,
        entropy_controller: Some(AdaptiveEntropyConfig::default()),
        ..PolicyLossConfig::default()
    };
    let advantage = AdvantageConfig::Rae(RaeConfig::default());
    let recipe = Recipe { loss, advantage, ..preset::grpo() };
    assert!(recipe.validate().is_empty(), "{:?}", recipe.validate());
    rl_with(dir, config, Box::new(shaped()), source, recipe)
}

pub(crate) fn countdown() -> Box<dyn Reward> {
    Box::new(CountdownReward)
}

/// Worked solutions as demonstrations.
pub(crate) fn demonstrations() -> Vec<(Group, Vec<Score>)> {
    let codec = codec();
    let demonstration = |(index, problem): (usize, &Problem)| {
        let tokens = codec.prompt(&problem.numbers, problem.target);
        let mut prompt = Prompt { id: 1_000 + index as u64, tokens, ..Prompt::default() };
        prompt.meta.insert("expert".to_owned(), true.into());
        let solution = codec.solution(&problem.solutions(30)[0]);
        (Group::demonstration(prompt, solution), vec![Score::unscorable("a demonstration")])
    };
    problems().iter().enumerate().take(40).map(demonstration).collect()
}

pub(crate) fn chord(mu: f64) -> Chord {
    let mu = MuSchedule { peak: mu, valley: mu, ..MuSchedule::default() };
    let config = ChordConfig { mu, expert: ExpertLoss::Nll, ..ChordConfig::default() };
    Chord::new(config, |prompt, _| prompt.meta.contains_key("expert")).unwrap()
}

/// CHORD: rollouts and demonstrations in every update, and a reference that follows the policy.
pub(crate) fn mixed(dir: &Path, config: RlConfig, mu: f64) -> RlTrainer {
    let policy = learner(Some(1.0));
    let text = Arc::new(Text(codec(), [codec().end_token()]));
    let engine = LocalEngine::new(policy.handle(), text, EngineConfig::default()).unwrap();
    let stage = RolloutStage {
        source: Box::new(Prompts::new(problems(), codec(), 3).unwrap()),
        engine: Box::new(engine),
        reward: Box::new(shaped()),
        filter: None,
        refill: config.refill,
        on_unavailable: config.on_unavailable,
    };
    let recipe = preset::grpo();
    let schedule = ReferenceSync::new(ReferenceSyncConfig { steps: 2, alpha: 0.6 });
    let reference = Box::new(policy.moving_reference().unwrap());
    let experts = Box::new(Shuffled::new(demonstrations(), 4).unwrap());
    let mut objective = chord(mu);
    if config.epochs > 1 {
        let policy = PolicyLossConfig { kl_beta: 0.02, ..recipe.loss };
        let config = ChordConfig { policy, ..objective.config().clone() };
        objective = Chord::new(config, |prompt, _| prompt.meta.contains_key("expert")).unwrap();
    }
    let advantage = recipe.advantage.build().unwrap();
    RlTrainer::new(Box::new(policy), stage, advantage, Box::new(objective), config)
        .unwrap()
        .with_moving_reference(reference, Box::new(schedule))
        .with_batches(experts, 4)
        .with_callback(MetricsLog::new(dir))
        .with_checkpoints(checkpoints(dir, 2))
}

/// Intuitive fine-tuning with masked thought and noise: everything that changes what is read.
pub(crate) fn edited(dir: &Path, steps: u64) -> SftTrainer {
    let masks = MaskedThoughtConfig { rate: 0.3, replacement: Replacement::Token { id: 0 } };
    let rows = WarmUp::new(problems(), codec(), 30, 3).unwrap();
    let rows = MaskedRows::new(rows, masks, 8).unwrap();
    let config = SftConfig {
        steps,
        rows_per_step: 12,
        learning_rate: 3e-3,
        neftune_alpha: Some(5.0),
        ..SftConfig::default()
    };
    let ift = IftConfig { max_lambda: 0.3, warmup_steps: 4, ..IftConfig::default() };
    let objective = Box::new(ift.build().unwrap());
    SftTrainer::new(Box::new(learner(Some(1.0))), Box::new(rows), objective, config)
        .unwrap()
        .with_own_tokens(move |step| ift.lambda(9, step))
        .with_callback(MetricsLog::new(dir))
        .with_checkpoints(checkpoints(dir, 2))
}
