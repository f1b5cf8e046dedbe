//! Training loops with their schedules, checkpoints, logs and reports.
//!
//! The loops know contracts only: a [`Policy`](refire_objective::Policy) that learns, an
//! [`Objective`](refire_objective::Objective) that says what, a source of rows or prompts. They
//! name no method and no architecture.
//!
//! A run tells its story to [`Callback`](refire_core::Callback)s. Those that nearly every run
//! wants are here:
//!
//! * [`MetricsLog`] and [`CompletionsLog`] write files that survive a kill and go on after it,
//! * [`Progress`] shows where the run is,
//! * [`Interrupt`] turns Ctrl-C into a clean stop.
//!
//! [`ShowRows`] prints the first rows before they are trained on, with what is learned marked.
//! [`Report`] makes one self-contained page of a run's folder, and [`Schedule`] is the learning
//! rate's course.

mod batcher;
mod checkpoint;
mod config;
mod display;
mod drive;
mod error;
mod evaluate;
mod held_out_rows;
mod judged;
mod learn;
mod log;
mod mix;
mod own_tokens;
mod preference;
mod preview;
mod reference;
mod reference_cache;
mod report;
mod reward_model;
mod rl;
mod rollout;
mod schedule;
mod sft;
mod trainer;

pub use checkpoint::CheckpointConfig;
pub use config::{
    CriticConfig, MicroBatch, OnExhausted, OnUnavailable, PreferenceConfig, Refill, RlConfig,
    SftConfig,
};
pub use drive::{Emit, Loop, Outcome, Trained};
pub use error::TrainError;
pub use evaluate::{Evaluator, HeldOut};
pub use log::{CompletionsLog, CompletionsLogConfig, Interrupt, MetricsLog, Progress};
pub use preference::{PreferenceTrainer, Preferences};
pub use preview::{ShowRows, marked_text};
pub use reference_cache::ReferenceCache;
pub use report::{Report, Sample};
pub use reward_model::{RewardModelling, RewardTrainer};
pub use rl::{Rl, RlTrainer};
pub use rollout::{RolloutStage, Rollouts};
pub use schedule::{Decay, Schedule};
pub use sft::{Sft, SftTrainer};
pub use trainer::Trainer;
