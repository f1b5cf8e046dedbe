//! The likelihood family: supervised fine-tuning and distillation.
//!
//! - [`loss`] holds plain functions on `[batch, time]` tensors, for somebody's own training loop,
//!   and beside each the [`Objective`](refire_objective::Objective) that trainers take;
//!   [`LikelihoodConfig`] names them in a configuration.
//! - [`mask`] says which tokens are learned, [`weight`] how much an example counts, [`input`] what the
//!   model reads instead of the tokens.
//! - [`divergence`] compares distributions over the whole vocabulary.
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

mod columns;
mod config;
pub mod divergence;
mod error;
pub mod input;
mod likelihood;
pub mod loss;
pub mod mask;
pub mod weight;

pub use config::NllConfig;
pub use error::SftError;
pub use likelihood::LikelihoodConfig;
