//! Kernels for the CPU backend.

// What a kernel can't read goes back to the caller as it came.
#![allow(clippy::result_large_err)]

mod adamw;
mod adamw_master;
mod attention;
mod gated;
mod linear;
mod logits;
mod norm;
mod number;
mod op;
mod rotary;
mod rows;
mod seed;
mod square_sum;
mod weight_grad;

pub(crate) use adamw::adamw;
pub(crate) use adamw_master::adamw_master;
pub(crate) use attention::attention;
pub(crate) use gated::{GeluTanh, Silu, gated};
pub(crate) use linear::linear;
pub(crate) use logits::{logit_grads, logit_stats};
pub(crate) use norm::rms_norm;
pub(crate) use rotary::rope;
pub(crate) use rows::add_rows;
pub(crate) use seed::seed;
pub(crate) use square_sum::square_sum;
pub(crate) use weight_grad::add_weight_grad;

/// Numbers that one thread works on at a time in an operation without structure.
const PART: usize = 1 << 14;
