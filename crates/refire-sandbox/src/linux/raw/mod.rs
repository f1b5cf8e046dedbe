//! The only `unsafe` of the crate: starting a confined process, and three calls that no safe
//! wrapper has.
//!
//! [`spawn()`] clones with `CLONE_VM | CLONE_VFORK`, as `posix_spawn` does: the child borrows the
//! address space of its parent until it executes, so that a trainer of many gigabytes starts a
//! sandbox as fast as a small program. What the child may do in the meantime is the contract of
//! [`child`]: system calls only, on data prepared in the [`Plan`] beforehand; no allocation, no
//! lock, no panic.
#![allow(unsafe_code)]

mod child;
mod clone3;
mod plan;
mod spawn;
mod wait;

pub(crate) use plan::{
    Bind, Entry, EntryKind, Exec, Fault, Identity, Landlock, LandlockRule, Plan, Probe, Root, Step,
};
pub(crate) use spawn::{Spawned, spawn};
pub(crate) use wait::{
    Ended, adopt_orphans, effective_ids, landlock_abi, leave_network, reap, reap_any_zombie,
};
