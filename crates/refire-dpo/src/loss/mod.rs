//! Losses to be minimised, as plain functions on `[pairs]` or `[rows]` tensors of any float format;
//! reduction is apart.
//!
//! A *score* `h` is what a method compares: the log-ratio of policy to reference, or what an
//! [`FDivergence`](crate::FDivergence) makes of it; for methods without a reference the
//! log-probability itself. Inputs are sums over a completion's tokens unless a function says "mean".
//! Every loss and gradient is finite for inputs up to 1e4.

mod aft;
mod alphapo;
mod aot;
mod apo_down;
mod apo_zero;
mod bco;
mod bco_pair;
mod cdpo;
mod copg;
mod discopop;
mod exo_pair;
mod hinge;
mod ipo;
mod kto;
mod length_desensitised;
mod modpo;
mod nca_pair;
mod odpo;
mod orpo;
mod pro;
mod robust;
mod rrhf;
mod sigmoid;
mod sigmoid_norm;
mod simpo;
mod sppo_hard;
mod wpo;

pub use aft::{AftConstraint, aft};
pub use alphapo::alphapo_rewards;
pub use aot::{aot, aot_unpaired};
pub use apo_down::apo_down;
pub use apo_zero::apo_zero;
pub use bco::bco;
pub use bco_pair::bco_pair;
pub use cdpo::cdpo;
pub use copg::copg;
pub use discopop::discopop;
pub use exo_pair::exo_pair;
pub use hinge::hinge;
pub use ipo::{ipo, ipo_norm};
pub use kto::{KtoWeights, kto, kto_kl};
pub use length_desensitised::length_desensitised;
pub use modpo::{ModpoLoss, modpo, modpo_rewards};
pub use nca_pair::nca_pair;
pub use odpo::odpo;
pub use orpo::{log_odds, orpo};
pub use pro::pro;
pub use robust::robust;
pub use rrhf::{best, rrhf};
pub use sigmoid::sigmoid;
pub use sigmoid_norm::sigmoid_norm;
pub use simpo::simpo;
pub use sppo_hard::sppo_hard;
pub use wpo::wpo_weights;

pub(crate) use cdpo::smoothed;
pub(crate) use sigmoid_norm::per_token;
