//! Losses per token, to be minimised, as plain functions on `[batch, time]` tensors; and the
//! objectives made from them.

mod asft;
mod dft;
mod distill;
mod ift;
mod mini_llm;
mod multi_target;
mod nll;
mod on_policy_distill;

pub use asft::{Anchored, Asft, AsftConfig, asft};
pub use dft::{Dft, dft};
pub use distill::{Distill, DistillConfig, distill};
pub use ift::{Ift, IftConfig, Sharpness, Side, ift, ift_weights};
pub use mini_llm::{MiniLlm, later_rewards, mini_llm};
pub use multi_target::{MultiTarget, MultiTargetConfig};
pub use nll::{Nll, nll, smoothed_nll};
pub use on_policy_distill::{OnPolicyDistill, on_policy_distill};
