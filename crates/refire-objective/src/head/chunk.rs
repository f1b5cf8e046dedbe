use super::layer::{HeadLayer, Logits, inverse};
use super::{HeadStats, divergence};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};
use refire_core::Needs;

/// Some rows of a walk, with their logits.
pub(super) struct Chunk {
    pub(super) hidden: Tensor<2>,
    labels: Tensor<2, Int>,
    logits: Logits,
    /// `1 / temperature`, `[rows, 1]`, unless all are 1.
    scale: Option<Tensor<2>>,
    /// Largest scaled logit, `[rows, 1]`.
    max: Tensor<2>,
    /// `logsumexp(z) - max`, `[rows, 1]`.
    log_sum: Tensor<2>,
    probs: Tensor<2>,
    /// Log-probabilities of the reference, `[rows, vocab]`.
    reference: Option<Tensor<2>>,
}

impl Chunk {
    pub(super) fn new(
        hidden: Tensor<2>,
        layer: &HeadLayer,
        labels: Tensor<2, Int>,
        temperature: &[f32],
        reference: Option<Tensor<2>>,
    ) -> Self {
        let logits = layer.logits(hidden.clone());
        let scale = inverse(temperature, &logits.values);
        let scaled = match &scale {
            Some(scale) => logits.values.clone() * scale.clone(),
            None => logits.values.clone(),
        };
        let max = scaled.clone().max_dim(1);
        let exp = (scaled - max.clone()).exp();
        let sum = exp.clone().sum_dim(1);
        let log_sum = sum.clone().log();
        Self { hidden, labels, logits, scale, max, log_sum, probs: exp / sum, reference }
    }

    pub(super) fn stats(&self, needs: Needs) -> HeadStats {
        let flat = |t: Tensor<2>| t.flatten::<1>(0, 1);
        let mean = || self.shift(self.logits.values.clone().mean_dim(1));
        HeadStats {
            logprobs: flat(self.shift(self.logits.values.clone().gather(1, self.labels.clone()))),
            entropy: needs.entropy.then(|| flat(self.entropy())),
            sum_sq: needs.sum_sq.then(|| flat(self.sum_sq())),
            mean_logprob: needs.mean_logprob.then(|| flat(mean())),
            full_kl: needs.full_kl.zip(self.reference.as_ref()).map(|(direction, reference)| {
                let (p, log_p) = (self.probs.clone(), self.log_probs());
                flat(divergence::value(direction, p, log_p, reference.clone()))
            }),
        }
    }

    /// From logits (all, some, or their mean) to log-probabilities.
    fn shift(&self, logits: Tensor<2>) -> Tensor<2> {
        let scaled = match &self.scale {
            Some(scale) => logits * scale.clone(),
            None => logits,
        };
        scaled - self.max.clone() - self.log_sum.clone()
    }

    fn log_probs(&self) -> Tensor<2> {
        self.shift(self.logits.values.clone())
    }

    fn entropy(&self) -> Tensor<2> {
        (self.probs.clone() * self.log_probs()).sum_dim(1).neg()
    }

    fn sum_sq(&self) -> Tensor<2> {
        (self.probs.clone() * self.probs.clone()).sum_dim(1)
    }

    /// Gradient with respect to `h W^T + b`, from the gradients of the statistics; and the hidden
    /// states it belongs to.
    pub(super) fn d_product(
        self,
        layer: &HeadLayer,
        needs: Needs,
        grads: HeadStats,
    ) -> (Tensor<2>, Tensor<2>) {
        let n = grads.logprobs.dims()[0];
        let grads = grads.map(|t| t.reshape([n, 1]));
        let mut extra = None;
        let mut add = |term: Tensor<2>| {
            extra = Some(match extra.take() {
                Some(sum) => sum + term,
                None => term,
            });
        };
        if let Some(h) = grads.entropy {
            add(self.probs.clone() * (self.log_probs() + self.entropy()) * h.neg());
        }
        if let Some(s) = grads.sum_sq {
            add(self.probs.clone() * (self.probs.clone() - self.sum_sq()) * (s * 2.0));
        }
        if let (Some(d), Some(direction), Some(reference)) =
            (grads.full_kl, needs.full_kl, &self.reference)
        {
            let (p, log_p) = (self.probs.clone(), self.log_probs());
            add(divergence::gradient(direction, p, log_p, reference.clone()) * d);
        }
        let Self { hidden, labels, logits, scale, probs, .. } = self;
        // The rest is a factor of each row times p, a constant of each row and the one-hot.
        let g = grads.logprobs;
        let mut factor = g.clone().neg();
        let mut constant = None;
        if let Some(m) = grads.mean_logprob {
            constant = Some(m.clone() * (probs.dims()[1] as f64).recip());
            factor = factor - m;
        }
        let mut d = probs * factor;
        if let Some(constant) = constant {
            d = d + constant;
        }
        if let Some(extra) = extra {
            d = d + extra;
        }
        d = d.scatter(1, labels, g, IndexingUpdateOp::Add);
        if let Some(scale) = scale {
            d = d * scale;
        }
        (layer.d_product(d, &logits), hidden)
    }
}
