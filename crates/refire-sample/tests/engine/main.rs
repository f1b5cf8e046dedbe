//! The engine: what it draws, what it promises, what it refuses.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod beam;
mod blend;
mod conformance;
mod device;
mod draws;
mod episodes;
mod forcing;
mod limits;
mod logprobs;
mod prefill;
mod refusals;
mod resume;
mod same_bits;
mod sharing;
mod strategies;
mod weights;
