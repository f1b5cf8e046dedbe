//! Logits of a whole row.

use crate::compare::{self, FORWARD};
use crate::tally::Tally;
use refire::burn::tensor::Device;
use refire::core::BoxError;
use refire::model::{Decoder, ModelConfig, Rows};

/// Logits of one row, and hidden states of rows of different lengths.
pub fn run(tally: &mut Tally, device: &Device, name: &str, config: &ModelConfig) {
    tally.check(&format!("{name}: logits"), || {
        let compute = |device: &Device| -> Result<Vec<f32>, BoxError> {
            let tokens: Vec<u32> = (0..20).map(|i| (i * 37 + 5) % 128).collect();
            compare::values(Decoder::init(config, 3, device).logits(&tokens)?)
        };
        let gap = compare::one(compute(device)?, compute(&Device::flex())?, FORWARD)?;
        Ok(format!("{gap:.1e} apart"))
    });
    tally.check(&format!("{name}: hidden states of padded rows"), || {
        let compute = |device: &Device| -> Result<Vec<f32>, BoxError> {
            let rows = Rows::new(vec![vec![3, 4, 5, 6, 7, 8, 9, 10], vec![11], vec![12, 13, 14]]);
            compare::values(Decoder::init(config, 3, device).hidden(&rows)?)
        };
        let gap = compare::one(compute(device)?, compute(&Device::flex())?, FORWARD)?;
        Ok(format!("{gap:.1e} apart"))
    });
}
