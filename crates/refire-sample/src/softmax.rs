use crate::exp::{exponentials, largest};
use crate::processor::scaled;

/// Logits that are looked at together.
const BLOCK: usize = 512;

/// A row's softmax, in 64 bits: the largest logit, and the sum of `exp(logit - max)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Softmax {
    max: f64,
    total: f64,
}

impl Softmax {
    /// `None` if the row makes no distribution: none is finite, or one is `+inf` or not a number.
    pub(crate) fn of(logits: &[f32]) -> Option<Self> {
        Self::scaled(logits, 1.0)
    }

    /// Of `logits / temperature`.
    pub(crate) fn scaled(logits: &[f32], temperature: f32) -> Option<Self> {
        let max = f64::from(scaled(largest(logits), temperature));
        let (mut row, mut weights) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut total = 0.0;
        for part in logits.chunks(BLOCK) {
            row.iter_mut().zip(part).for_each(|(y, x)| *y = scaled(*x, temperature));
            total += exponentials(&row[..part.len()], max, &mut weights[..part.len()]);
        }
        Self::checked(max, total)
    }

    /// Fills `weights` with `exp(logit - max)`.
    pub(crate) fn fill(logits: &[f32], weights: &mut Vec<f64>) -> Option<Self> {
        let max = f64::from(largest(logits));
        weights.resize(logits.len(), 0.0);
        let total = exponentials(logits, max, weights);
        Self::checked(max, total)
    }

    fn checked(max: f64, total: f64) -> Option<Self> {
        (max.is_finite() && total.is_finite()).then_some(Self { max, total })
    }

    /// Sum of `exp(logit - max)`.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// `exp(logit - max)`.
    pub(crate) fn weight(&self, logit: f32) -> f64 {
        (f64::from(logit) - self.max).exp()
    }

    pub(crate) fn probability(&self, logit: f32) -> f64 {
        self.weight(logit) / self.total
    }

    pub(crate) fn logprob(&self, logit: f32) -> f64 {
        f64::from(logit) - self.max - self.total.ln()
    }

    /// In nats; the row must be the one this was made of.
    pub(crate) fn entropy(&self, logits: &[f32]) -> f64 {
        let terms = logits.iter().filter(|x| **x != f32::NEG_INFINITY);
        -terms.map(|x| self.probability(*x) * self.logprob(*x)).sum::<f64>()
    }
}
