//! How a fresh adapter begins.
//!
//! Each module draws from a stream of its own, keyed by seed and path.

use super::AdapterInit;
use refire_core::{Purpose, Stream};

/// `A` `[r, in]` of a linear map.
pub(super) fn first(init: AdapterInit, seed: u64, path: &str, [r, inputs]: [usize; 2]) -> Vec<f32> {
    let mut stream = stream(seed, path);
    let mut draw = || match init {
        AdapterInit::Kaiming => (2.0 * stream.uniform() - 1.0) / (inputs as f64).sqrt(),
        AdapterInit::Gaussian => stream.normal() / r as f64,
    };
    (0..r * inputs).map(|_| draw() as f32).collect()
}

/// `B` `[hidden, r]` of an embedding, whose `A` is 0.
pub(super) fn second_of_embedding(seed: u64, path: &str, [hidden, r]: [usize; 2]) -> Vec<f32> {
    let mut stream = stream(seed, path);
    (0..hidden * r).map(|_| stream.normal() as f32).collect()
}

fn stream(seed: u64, path: &str) -> Stream {
    let seed = Stream::new(seed, Purpose::INIT, 0, 0, 0).bits();
    Stream::new(seed, Purpose::named(path), 0, 0, 0)
}
