use crate::processor::scaled;

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
        let max = scaled(largest(logits), temperature);
        let total = logits
            .iter()
            .map(|x| (f64::from(scaled(*x, temperature)) - f64::from(max)).exp())
            .sum();
        Self::checked(f64::from(max), total)
    }

    /// Fills `weights` with `exp(logit - max)`.
    pub(crate) fn fill(logits: &[f32], weights: &mut Vec<f64>) -> Option<Self> {
        let max = f64::from(largest(logits));
        let mut total = 0.0;
        weights.clear();
        weights.extend(logits.iter().map(|x| {
            let weight = (f64::from(*x) - max).exp();
            total += weight;
            weight
        }));
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

fn largest(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
