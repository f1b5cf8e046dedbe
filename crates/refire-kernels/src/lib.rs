//! The few tensor operations of language models where fusion pays.
//!
//! Each is a function on plain burn tensors with an exact gradient:
//!
//! - [`linear`]: `x W^T`, whose weight gradient comes out as the weight lies.
//! - [`swiglu`] and [`geglu`]: the gated activation of a feed-forward layer.
//! - [`attention`]: causal, grouped-query, over packed rows that may share prefixes; memory linear
//!   in tokens.
//! - [`recall`]: the same of new tokens, to keys and values that a cache on any device remembers.
//! - [`LogitRows`]: statistics of rows of logits, and their gradient in the logits' own memory.
//! - [`rms_norm`] and [`rope`].
//! - [`adamw`] and [`square_sum`]: an update in one pass over memory, and what clipping needs;
//!   [`adamw_master`] is the update of a weight in half precision, by way of its 32-bit master.
//! - [`add_rows`]: the gradient of an embedding, in place.
//! - [`add_weight_grad`]: a weight's gradient added to what there is, block by block.
//! - [`seed`]: a graph's backward pass from a gradient that comes from elsewhere.
//!
//! [`functions`] are the exponentials and sigmoids they are made of, [`sums`] the reductions.
//!
//! # Which code runs
//!
//! With the feature `flex` (CPU), 32-bit tensors on that backend take a kernel, and those in half
//! precision one of [`adamw_master`] and [`square_sum`]: several threads,
//! vectors as wide as the machine has, nothing kept for the backward pass that can be made again
//! cheaply. Results don't depend on the number of threads.
//!
//! With the feature `wgpu` or `cuda`, which also compile in burn's backend, tensors on a GPU take
//! kernels written in CubeCL: [`attention`] and [`recall`] (heads of up to 256 numbers, a multiple
//! of 4), [`swiglu`] and [`geglu`], [`rms_norm`] and [`rope`] in 32 bits and in half precision,
//! which they widen, and so [`square_sum`]; [`LogitRows`] and [`adamw`] in 32 bits. They are the same source for every
//! GPU, add up in a fixed order, and hold with burn's `fusion` and without it.
//!
//! Every other tensor takes the same operation composed of burn's own: the choice is made at run
//! time, by the tensor, and never fails.
//!
//! # What doesn't fit
//!
//! No function panics for shapes, labels, indices or numbers. [`attention`] and [`Layout`] return a
//! [`KernelError`]; the others, which make tensors of tensors only, give NaN in the shape that the
//! result should have, with a gradient of NaN, on every device: it doesn't go unnoticed, since a
//! loss or a norm becomes NaN too. The functions of [`check`] tell beforehand, and say what is
//! wrong. Tensors on different devices or in different formats are burn's to refuse.
//!
//! The crate knows no model and no other crate of ours.

mod adamw;
mod adamw_master;
mod attention;
pub mod check;
#[cfg(feature = "cube")]
mod cube;
mod error;
#[cfg(feature = "flex")]
mod flex;
pub mod functions;
mod gated;
mod linear;
mod logits;
mod norm;
#[cfg(any(feature = "flex", feature = "cube"))]
mod op;
mod rotary;
mod rows;
mod seed;
#[cfg(feature = "flex")]
mod simd;
mod square_sum;
pub mod sums;
mod weight_grad;

/// The same operations composed of burn's own, whatever the tensor: what tensors without a kernel
/// take, and what kernels are compared with.
pub mod plain {
    pub use crate::attention::plain_attention as attention;
    pub use crate::gated::{plain_geglu as geglu, plain_swiglu as swiglu};
    pub use crate::linear::plain as linear;
    pub use crate::norm::plain as rms_norm;
    pub use crate::rotary::plain as rope;
}

pub use adamw::{AdamWStep, adamw};
pub use adamw_master::{AdamWMaster, adamw_master};
pub use attention::{AttentionOptions, Layout, Recall, Run, attention, recall};
pub use error::KernelError;
pub use gated::{geglu, swiglu};
pub use linear::linear;
pub use logits::{LogitRows, LogitStats};
pub use norm::rms_norm;
pub use rotary::{Turns, rope};
pub use rows::add_rows;
pub use seed::seed;
pub use square_sum::square_sum;
pub use weight_grad::add_weight_grad;
