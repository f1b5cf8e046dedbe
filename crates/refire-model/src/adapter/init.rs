//! How a fresh adapter begins.

use super::AdapterInit;
use refire_core::{Purpose, Stream};

/// `A` `[r, in]`; each module draws from a stream of its own, keyed by seed and path.
pub(super) fn first(init: AdapterInit, seed: u64, path: &str, [r, inputs]: [usize; 2]) -> Vec<f32> {
    let seed = Stream::new(seed, Purpose::INIT, 0, 0, 0).bits();
    let mut stream = Stream::new(seed, Purpose::named(path), 0, 0, 0);
    let mut draw = || match init {
        AdapterInit::Kaiming => (2.0 * stream.uniform() - 1.0) / (inputs as f64).sqrt(),
        AdapterInit::Gaussian => stream.normal() / r as f64,
    };
    (0..r * inputs).map(|_| draw() as f32).collect()
}
