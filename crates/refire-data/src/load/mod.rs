//! Order of data: shuffles with a state of a few numbers, rows served in it, read-ahead.

mod permutation;
mod prefetch;
mod shuffle;

pub use permutation::Permutation;
pub use prefetch::Prefetch;
pub use shuffle::{Shuffle, ShuffledRows};
