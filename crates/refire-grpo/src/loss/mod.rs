//! Losses per token, to be minimised, as plain functions on `[batch, time]` tensors.
//!
//! How they become one number is [`Aggregation`](refire_objective::Aggregation)'s business, and
//! the KL term that some methods add is [`KlEstimator`](refire_objective::KlEstimator)'s.
//! Nothing here knows of masks unless it takes one: values at masked positions must be finite, or
//! their gradient is not a number; [`PolicyLoss`](crate::PolicyLoss) sees to that by itself.
//!
//! Each method is also a [`Surrogate`]: its settings, the loss on tensors, and the same loss in
//! plain numbers for [`explain`](crate::explain). [`LossKind`] names them in configurations.

mod chord;
mod cispo;
mod clip_cov;
mod copg;
mod covariance;
mod distillation;
mod dppo_tv;
mod gmpo;
mod gppo;
mod gspo;
mod kimi;
mod kind;
mod kl_cov;
mod luspo;
mod opmd;
mod ppo_clip;
mod ratio;
mod rec;
mod reinforce;
mod sapo;
mod surrogate;
mod topr;
mod value;
mod vespo;

pub use chord::{ExpertLoss, MuSchedule, sft_is, sft_phi};
pub use cispo::{Cispo, cispo};
pub use clip_cov::{ClipCov, clip_cov};
pub use copg::{Copg, CopgSide, copg};
pub use covariance::{covariances, random_covariance, top_covariance};
pub use distillation::{DistillationLoss, distillation};
pub use dppo_tv::{DppoTv, dppo_tv};
pub use gmpo::{Gmpo, gmpo};
pub use gppo::{Gppo, gppo};
pub use gspo::{gspo, gspo_token};
pub use kimi::{Kimi, kimi};
pub use kind::LossKind;
pub use kl_cov::{KlCov, kl_cov};
pub use luspo::luspo;
pub use opmd::{Opmd, opmd};
pub use ppo_clip::{ClipFlags, ClipOptions, ClipRange, clip_flags, clipped_surrogate, ppo_clip};
pub use ratio::{LogRatioClamp, RatioBase, RatioLevel};
pub use rec::{Rec, RecClip, RecRegularizer, RecWeight, rec};
pub use reinforce::{Reinforce, reinforce};
pub use sapo::{Sapo, sapo};
pub use surrogate::{Gate, Measure, Over, RowView, Surrogate, SurrogateInputs, Term, TokenView};
pub(crate) use surrogate::{not_negative, positive};
pub use topr::{Topr, topr};
pub use value::{ValueLoss, ValueLossConfig, value_loss};
pub use vespo::{Vespo, vespo};
