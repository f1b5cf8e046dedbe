//! Coefficients that follow what is measured. All have memory, saved and restored with the run.

mod adaptive_entropy;
mod adaptive_kl;
mod reference_sync;

pub use adaptive_entropy::{AdaptiveEntropy, AdaptiveEntropyConfig};
pub use adaptive_kl::{AdaptiveKl, AdaptiveKlConfig};
pub use reference_sync::{ReferenceSync, ReferenceSyncConfig};
