//! The likelihood family: supervised fine-tuning.
//!
//! [`loss`] holds plain functions on `[batch, time]` tensors, for somebody's own training loop,
//! and beside each the [`Objective`](refire_objective::Objective) that trainers take.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use refire_objective::Aggregation;
//! use refire_sft::loss::nll;
//!
//! let device = Device::flex();
//! let logprobs = Tensor::<2>::from_data([[-1.0, -3.0], [-2.0, 0.0]], &device);
//! let mask = Tensor::<2>::from_data([[1.0, 1.0], [1.0, 0.0]], &device);
//! let loss = Aggregation::TokenMean.reduce(nll(logprobs), mask, None);
//! assert_eq!(loss.into_scalar::<f32>(), 2.0);
//! ```

mod config;
mod error;
pub mod loss;

pub use config::NllConfig;
pub use error::SftError;
