//! Losses per token, to be minimised, as plain functions on `[batch, time]` tensors; and the
//! objectives made from them.

mod nll;

pub use nll::{Nll, nll, smoothed_nll};
