use super::layer::HeadLayer;
use super::{HeadStats, divergence};
use burn::tensor::Tensor;
use refire_core::Needs;
use refire_kernels::{LogitRows, LogitStats};

/// Some rows of a walk, with their logits.
pub(super) struct Chunk<'a> {
    pub(super) hidden: Tensor<2>,
    rows: LogitRows<'a>,
    /// `d capped / d uncapped` of the logits, where there is a cap.
    slope: Option<Tensor<2>>,
    /// Log-probabilities of the reference, `[rows, vocab]`.
    reference: Option<Tensor<2>>,
}

impl<'a> Chunk<'a> {
    pub(super) fn new(
        hidden: Tensor<2>,
        layer: &HeadLayer,
        labels: &'a [u32],
        temperature: &[f32],
        reference: Option<Tensor<2>>,
    ) -> Self {
        let logits = layer.logits(hidden.clone());
        let rows = LogitRows::new(logits.values, labels, temperature);
        Self { hidden, rows, slope: logits.slope, reference }
    }

    pub(super) fn stats(&self, needs: Needs) -> HeadStats {
        let rows = &self.rows;
        HeadStats {
            logprobs: rows.logprobs(),
            entropy: needs.entropy.then(|| rows.entropy()),
            sum_sq: needs.sum_sq.then(|| rows.sum_sq()),
            mean_logprob: needs.mean_logprob.then(|| rows.mean_logprob()),
            full_kl: needs.full_kl.zip(self.reference.as_ref()).map(|(direction, reference)| {
                let log_p = rows.log_probs();
                let p = log_p.clone().exp();
                divergence::value(direction, p, log_p, reference.clone()).flatten(0, 1)
            }),
        }
    }

    /// Gradient with respect to `h W^T + b`, from the gradients of the statistics; and the hidden
    /// states it belongs to.
    pub(super) fn d_product(
        self,
        layer: &HeadLayer,
        needs: Needs,
        grads: HeadStats,
    ) -> (Tensor<2>, Tensor<2>) {
        let of_kl = match (grads.full_kl, needs.full_kl, &self.reference) {
            (Some(d), Some(direction), Some(reference)) => {
                let log_p = self.rows.log_probs();
                let p = log_p.clone().exp();
                let kl = divergence::gradient(direction, p, log_p, reference.clone());
                Some(self.rows.scaled(&(kl * d.unsqueeze_dim(1))))
            }
            _ => None,
        };
        let Self { hidden, rows, slope, .. } = self;
        let d = rows.backward(LogitStats {
            logprobs: grads.logprobs,
            entropy: grads.entropy,
            sum_sq: grads.sum_sq,
            mean_logprob: grads.mean_logprob,
        });
        let d = match of_kl {
            Some(of_kl) => d + of_kl,
            None => d,
        };
        (layer.d_product(d, slope), hidden)
    }
}
