//! Random batches, the step they belong to, and one configuration of every kind.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod batch;
pub(crate) mod configs;
pub(crate) mod step;
