//! The engine: what it draws, what it promises, what it refuses.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod conformance;
mod draws;
mod episodes;
mod limits;
mod logprobs;
mod refusals;
mod resume;
mod same_bits;
mod weights;
