//! Rewards made of unit tests.

mod config;
mod exact;
mod extract;
mod lint;
mod reward;

pub use config::{CodeConfig, Credit, Tier, TierWeights};
pub use lint::{LintFinding, LintFlaw, lint_suites};
pub use reward::CodeReward;
