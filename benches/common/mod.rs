//! The two shapes that are measured: about a million parameters, and SmolLM2-135M.

mod shape;

use refire::burn::tensor::Device;
use refire::model::{Decoder, TinyLlama};

/// A name and a decoder with random weights.
pub(crate) fn shapes() -> Vec<(&'static str, Decoder)> {
    let million = TinyLlama {
        vocab_size: 512,
        hidden_size: 160,
        intermediate_size: 432,
        layers: 3,
        heads: 5,
        context: 512,
        end_token: 0,
    };
    let mut shapes = vec![("1M", million.config())];
    if let Ok(config) = shape::smollm2() {
        shapes.push(("135M", config));
    }
    let device = Device::flex();
    shapes.into_iter().map(|(name, c)| (name, Decoder::init(&c, 0, &device))).collect()
}
