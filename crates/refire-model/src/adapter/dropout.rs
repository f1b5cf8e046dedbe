//! Dropout on the way into an adapter.

use super::linears::{Role, linears};
use crate::Decoder;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use refire_core::{Purpose, Stream};
use std::sync::Arc;

/// What one module drops of its inputs in one pass of training.
///
/// Each token has draws of its own in each module: they depend on the seed, the optimiser's step,
/// the token's row within the step and its position, and on nothing else that is read with it.
#[derive(Debug, Clone)]
pub(crate) struct Dropout {
    share: f64,
    module: Purpose,
    tokens: Arc<DropoutTokens>,
}

/// The tokens of a pass, in the order of the network's rows.
#[derive(Debug, Clone)]
pub(crate) struct DropoutTokens {
    pub(crate) seed: u64,
    /// The optimiser's step.
    pub(crate) step: u64,
    /// Row within the step, and position.
    pub(crate) places: Vec<(u64, u64)>,
}

impl Decoder {
    /// The network as one pass of training reads it: its adapter drops what its configuration says.
    /// The head reads only the tokens at `targets`.
    pub(crate) fn dropping(
        mut self,
        tokens: impl FnOnce() -> DropoutTokens,
        targets: &[usize],
    ) -> Self {
        let share = self.adapter().map_or(0.0, |config| config.lora_dropout);
        if share <= 0.0 {
            return self;
        }
        let all = Arc::new(tokens());
        let read_by_head = Arc::new(all.select(targets));
        for named in linears(&mut self) {
            let tokens = if named.role == Role::Head { &read_by_head } else { &all };
            if let Some(lora) = &mut named.linear.lora {
                lora.dropout = Some(Dropout::new(share, &named.name, tokens));
            }
        }
        self
    }
}

impl DropoutTokens {
    /// Some of the tokens.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let places = rows.iter().map(|row| self.place(*row)).collect();
        Self { places, ..*self }
    }

    fn place(&self, row: usize) -> (u64, u64) {
        self.places.get(row).copied().unwrap_or((u64::MAX, row as u64))
    }
}

impl Dropout {
    pub(super) fn new(share: f64, module: &str, tokens: &Arc<DropoutTokens>) -> Self {
        Self { share, module: Purpose::named(module), tokens: tokens.clone() }
    }

    /// For some of the tokens, in a module that reads only those.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self { tokens: Arc::new(self.tokens.select(rows)), ..self.clone() }
    }

    /// `x` `[n, width]` with a share of its entries dropped and the others scaled up, so that the
    /// mean stays.
    pub(super) fn drop(&self, x: Tensor<2>) -> Tensor<2> {
        let [n, width] = x.dims();
        let kept = (1.0 - self.share).recip() as f32;
        // 32 bits for each entry.
        let limit = (self.share * 2.0_f64.powi(32)) as u32;
        let mut factors = vec![0.0_f32; n * width];
        factors.par_chunks_exact_mut(width.max(1)).enumerate().for_each(|(row, factors)| {
            let (id, position) = self.tokens.place(row);
            let mut draws =
                Stream::new(self.tokens.seed, self.module, self.tokens.step, id, position);
            for pair in factors.chunks_mut(2) {
                let bits = draws.bits();
                let halves = [bits as u32, (bits >> 32) as u32];
                let drawn = pair.iter_mut().zip(halves);
                drawn.for_each(|(factor, half)| *factor = if half < limit { 0.0 } else { kept });
            }
        });
        let factors = TensorData::new(factors, [n, width]);
        let factors = Tensor::from_data(factors, (&x.device(), x.dtype()));
        x * factors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn dropped(share: f64, places: Vec<(u64, u64)>, width: usize) -> Vec<f32> {
        let n = places.len();
        let tokens = Arc::new(DropoutTokens { seed: 3, step: 5, places });
        let ones = Tensor::<2>::ones([n, width], &Device::flex());
        let dropped = Dropout::new(share, "model.layers.0.mlp.up_proj", &tokens).drop(ones);
        dropped.into_data().iter::<f32>().collect()
    }

    #[test]
    fn a_share_is_dropped_and_the_mean_stays() {
        for share in [0.05, 0.3, 0.9] {
            let values = dropped(share, (0..200).map(|i| (i, 7)).collect(), 101);
            let zeros = values.iter().filter(|value| **value == 0.0).count() as f64;
            let n = values.len() as f64;
            assert!((zeros / n - share).abs() < 0.015, "{zeros} of {n} dropped, not {share}");
            let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
            assert!((mean - 1.0).abs() < 0.1, "mean {mean}");
        }
    }

    #[test]
    fn a_tokens_draws_are_its_own() {
        let both = dropped(0.5, vec![(0, 1), (4, 2)], 64);
        assert_eq!(both[64..], dropped(0.5, vec![(4, 2)], 64));
        assert_ne!(both[..64], both[64..]);
        assert_ne!(dropped(0.5, vec![(2, 4)], 64), dropped(0.5, vec![(4, 2)], 64));
    }
}
