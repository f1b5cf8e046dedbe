//! What is done with several completions of a prompt, over any engine.

mod best_of;
mod plan_execute;
mod vote;

pub use best_of::{best_of, best_of_n};
pub use plan_execute::{PlanExecute, plan_execute};
pub use vote::{Vote, VoteWeight, self_consistency, vote};
