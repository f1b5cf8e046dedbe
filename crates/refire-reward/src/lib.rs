//! Rule-based rewards for language-model completions, and their combinators.
//!
//! Each reward is a [`Reward`](refire_core::Reward) made from a plain configuration; a batch goes
//! in, one [`Score`](refire_core::Score) per completion comes out.
//!
//! | reward | what it says |
//! |---|---|
#![cfg_attr(
    feature = "math",
    doc = "| [`MathReward`] | whether the final answer equals the reference answer |"
)]
#![cfg_attr(
    feature = "code",
    doc = "| [`CodeReward`] | whether the program passes its tests, run in a sandbox |"
)]
//! | [`FormatReward`] | whether the reply has its tags, each where it belongs |
//! | [`SoftOverlong`] | a penalty that grows as a reply nears its token limit (DAPO) |
//! | [`Weighted`] | the weighted sum of others, each logged unweighted |
//!
//! [`conformance::check`] tests any implementation, also one of your own.

mod check;
#[cfg(feature = "code")]
mod code;
pub mod conformance;
mod error;
mod format;
#[cfg(feature = "math")]
mod math;
mod soft_overlong;
mod weighted;

#[cfg(feature = "code")]
pub use code::{
    CodeConfig, CodeReward, Credit, LintFinding, LintFlaw, Tier, TierWeights, lint_suites,
};
pub use error::RewardError;
pub use format::{Block, FormatConfig, FormatFault, FormatReward, Layout, TagGrammar, TagRule};
#[cfg(feature = "math")]
pub use math::{MathConfig, MathReward};
pub use soft_overlong::{Beyond, SoftOverlong, SoftOverlongConfig};
pub use weighted::Weighted;
