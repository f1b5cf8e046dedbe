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
//! [`Report`] makes one self-contained page of a run's folder, and [`Schedule`] is the learning
//! rate's course.

mod batcher;
mod checkpoint;
mod config;
mod display;
mod drive;
mod error;
mod evaluate;
mod log;
mod report;
mod rl;
mod rollout;
mod schedule;
mod sft;
mod update;

pub use checkpoint::CheckpointConfig;
pub use config::{MicroBatch, OnExhausted, OnUnavailable, Refill, RlConfig, SftConfig};
pub use drive::Outcome;
pub use error::TrainError;
pub use evaluate::{Evaluator, HeldOut};
pub use log::{CompletionsLog, CompletionsLogConfig, Interrupt, MetricsLog, Progress};
pub use report::{Report, Sample};
pub use rl::RlTrainer;
pub use rollout::{RolloutStage, Rollouts};
pub use schedule::{Decay, Schedule};
pub use sft::SftTrainer;
