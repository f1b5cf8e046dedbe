//! The sandbox on Linux.

mod candidate;
mod cgroup;
mod confinement;
mod exchange;
mod identity;
mod judge;
mod landlock;
mod monitor;
mod probe;
mod raw;
mod rootfs;
mod seccomp;
mod watch;
mod worker;
mod zygote;

pub(crate) use probe::probe;
pub(crate) use worker::{Shared, Worker};

pub(crate) mod census;
