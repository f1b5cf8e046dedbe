//! The preference family: DPO and its many relatives, KTO, ORPO, SimPO, rankings, reward models.
//!
//! - [`loss`] holds plain functions on log-probabilities of whole completions, `[pairs]` or
//!   `[rows]`, for somebody's own training loop.
//! - [`reward`] holds the losses of reward models, on scores.
//! - [`PreferenceConfig`] and the types beside it make [`Objective`](refire_objective::Objective)s
//!   of them, for trainers.
//!
//! Where a peer's value or gradient isn't finite, ours is: each file says what it returns instead.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use refire_dpo::{FDivergence, loss};
//!
//! let device = Device::flex().autodiff();
//! // Two pairs: log-probabilities of policy and reference, summed over each completion.
//! let pair = |x: [f32; 2]| Tensor::<1>::from_data(x, &device);
//! let chosen = pair([-10.0, -12.0]).require_grad();
//! let rejected = pair([-11.0, -9.0]);
//! let divergence = FDivergence::ReverseKl;
//! let h_w = divergence.scores(chosen.clone() - pair([-10.0, -12.0]));
//! let h_l = divergence.scores(rejected - pair([-11.0, -9.0]));
//! let mean = loss::sigmoid(h_w, h_l, 0.1).mean();
//!
//! assert!((mean.clone().into_scalar::<f32>() - std::f32::consts::LN_2).abs() < 1e-6);
//! let gradient = chosen.grad(&mean.backward()).expect("a leaf has a gradient");
//! assert_eq!(gradient.into_data().to_vec::<f32>()?, [-0.025, -0.025]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod divergence;
mod error;
pub mod loss;
mod objective;
pub mod reward;
mod stable;

pub use divergence::FDivergence;
pub use error::DpoError;
pub use objective::{
    Bco, BcoConfig, Copg, CopgConfig, Cpo, CpoConfig, CpoLoss, Dpo, DpoConfig, Kto, KtoConfig,
    Modpo, ModpoConfig, Orpo, OrpoConfig, PairLoss, PreferenceConfig, PreferenceStep, Ranking,
    RankingConfig, RankingLoss, StepRow, WeightedLoss,
};
