//! The language-model head without `[batch, time, vocab]`.
//!
//! From hidden states `[n, hidden]` at the targets and the head's weight `[vocab, hidden]`, logits
//! exist for one chunk of rows at a time. A first walk gives statistics; the objective's gradient
//! with respect to them goes back in a second walk, in closed form. With `p = softmax(z)`,
//! `z = logits / T`, label `y`, reference distribution `q`:
//!
//! ```text
//! logits       a = h W^T + b, times a scale, then cap tanh(. / cap)
//! logprob      l = z_y - logsumexp(z)      dl/dz_j = [j = y] - p_j
//! entropy      H = -sum p_j log p_j        dH/dz_j = -p_j (log p_j + H)
//! sum_sq       S = sum p_j^2               dS/dz_j = 2 p_j (p_j - S)
//! mean_logprob M = mean_j log p_j          dM/dz_j = 1/V - p_j
//! full_kl      D = KL(p || q), KL(q || p) or a Jensen-Shannon divergence, see `divergence`
//! ```
//!
//! Where the coefficient of the log-probability is known beforehand, one walk does both. Of weights
//! in 16 bits, all that follows the product is made in 32.

mod chunk;
mod divergence;
mod layer;
mod sink;
mod walk;

pub use layer::{HeadInput, HeadLayer};
pub use sink::HeadGrads;
pub use walk::Walk;

use crate::{ObjectiveError, Stats};
use burn::tensor::Tensor;
use chunk::Chunk;
use refire_core::Needs;
use sink::GradSink;
use std::ops::Range;

/// Logits that a chunk may hold: 4 Mi, so that a small vocabulary takes few chunks.
const CHUNK_LOGITS: usize = 1 << 22;
/// Fewer rows than this lose more in accumulating the weight's gradient than they save: a chunk's
/// logits take no more memory than that gradient where the width is this or more.
const MIN_CHUNK_ROWS: usize = 512;

/// Rows of logits that exist at a time, for a vocabulary of this size: as many as make 4 Mi
/// logits, and at least 512.
///
/// ```
/// use refire_objective::head::chunk_rows;
/// assert_eq!(chunk_rows(1000), 4194);
/// assert_eq!(chunk_rows(150_000), 512);
/// ```
pub fn chunk_rows(vocab: usize) -> usize {
    (CHUNK_LOGITS / vocab.max(1)).max(MIN_CHUNK_ROWS)
}

/// One value per target, `[n]`; also used for the gradients with respect to them.
pub type HeadStats = Stats<Tensor<1>>;

/// Targets of a walk. None of the tensors is tracked by autodiff.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// Hidden states `[n, hidden]`.
    pub hidden: Tensor<2>,
    /// From hidden states to logits.
    pub layer: HeadLayer,
    /// Label of each row.
    pub labels: &'a [u32],
    /// Temperature of each row, above 0.
    pub temperature: &'a [f32],
    /// The other distribution of a divergence: `n` hidden states and the layer that reads them.
    pub reference: Option<HeadInput>,
    /// Rows of logits at a time.
    pub chunk_rows: usize,
}

impl<'a> Head<'a> {
    /// A head without reference, with the default size of chunks.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_core::Needs;
    /// use refire_objective::head::{Head, HeadLayer};
    /// let device = Device::flex();
    /// let hidden = Tensor::from_data([[1.0, 0.0]], &device);
    /// let layer = HeadLayer::new(Tensor::zeros([4, 2], &device));
    /// let head = Head::new(hidden, layer, &[2], &[1.0]);
    /// let logprob = head.stats(Needs::NONE)?.logprobs.into_scalar::<f32>();
    /// assert!((logprob - 0.25_f32.ln()).abs() < 1e-6);
    /// # Ok::<(), refire_objective::ObjectiveError>(())
    /// ```
    pub fn new(
        hidden: Tensor<2>,
        layer: HeadLayer,
        labels: &'a [u32],
        temperature: &'a [f32],
    ) -> Self {
        let chunk_rows = chunk_rows(layer.weight.dims()[0]);
        Self { hidden, layer, labels, temperature, reference: None, chunk_rows }
    }

    /// Statistics of all targets.
    ///
    /// # Errors
    /// When labels, temperatures and shapes don't fit, or a divergence is asked for and there is no
    /// reference.
    pub fn stats(&self, needs: Needs) -> Result<HeadStats, ObjectiveError> {
        self.check(needs)?;
        let chunks = self.chunks().map(|rows| self.chunk(rows).stats(needs)).collect();
        Ok(self.join(chunks, needs))
    }

    /// Gradients of hidden states and layer from the gradients of the statistics that `needs` names.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_core::Needs;
    /// use refire_objective::head::{Head, HeadLayer, HeadStats};
    /// let device = Device::flex();
    /// let hidden = Tensor::from_data([[1.0, 0.0]], &device);
    /// let layer = HeadLayer::new(Tensor::zeros([4, 2], &device));
    /// let head = Head::new(hidden, layer, &[2], &[1.0]);
    /// let upstream = HeadStats::from_logprobs(Tensor::ones([1], &device));
    /// let grads = head.backward(Needs::NONE, &upstream, true)?;
    /// // [j = label] - p_j, times the hidden state.
    /// let weight = grads.weight.map(|w| w.into_data().iter::<f32>().collect::<Vec<_>>());
    /// assert_eq!(weight, Some(vec![-0.25, 0.0, -0.25, 0.0, 0.75, 0.0, -0.25, 0.0]));
    /// # Ok::<(), refire_objective::ObjectiveError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`stats`](Self::stats).
    pub fn backward(
        &self,
        needs: Needs,
        grads: &HeadStats,
        with_layer: bool,
    ) -> Result<HeadGrads, ObjectiveError> {
        self.check(needs)?;
        let mut sink = GradSink::new(&self.layer, with_layer);
        for rows in self.chunks() {
            let grads = grads.as_ref().map(|t| t.clone().slice([rows.clone()]));
            sink.add(self.chunk(rows), needs, grads);
        }
        Ok(sink.finish(&self.hidden))
    }

    /// Statistics and gradients in one walk, where `d loss / d logprob` `[n]` is known.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_core::Needs;
    /// use refire_objective::head::{Head, HeadLayer};
    /// let device = Device::flex();
    /// let layer = HeadLayer::new(Tensor::from_data([[0.0], [3.0_f32.ln()]], &device));
    /// let head = Head::new(Tensor::ones([1, 1], &device), layer, &[1], &[1.0]);
    /// // The loss is minus the log-probability, of which 3 / 4 is the probability.
    /// let of_logprob = Tensor::full([1], -1.0, &device);
    /// let (stats, grads) = head.stats_and_grads(Needs::NONE, &of_logprob, false)?;
    /// assert!((stats.logprobs.into_scalar::<f32>() - 0.75_f32.ln()).abs() < 1e-6);
    /// assert!((grads.hidden.into_scalar::<f32>() + 0.25 * 3.0_f32.ln()).abs() < 1e-6);
    /// assert!(grads.weight.is_none(), "the layer is frozen");
    /// # Ok::<(), refire_objective::ObjectiveError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`stats`](Self::stats).
    pub fn stats_and_grads(
        &self,
        needs: Needs,
        coefficients: &Tensor<1>,
        with_layer: bool,
    ) -> Result<(HeadStats, HeadGrads), ObjectiveError> {
        self.check(needs)?;
        let (mut sink, mut stats) = (GradSink::new(&self.layer, with_layer), Vec::new());
        for rows in self.chunks() {
            let chunk = self.chunk(rows.clone());
            stats.push(chunk.stats(needs));
            let grads = HeadStats::from_logprobs(coefficients.clone().slice([rows]));
            sink.add(chunk, Needs::NONE, grads);
        }
        Ok((self.join(stats, needs), sink.finish(&self.hidden)))
    }

    fn chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (n, size) = (self.labels.len(), self.chunk_rows.max(1));
        (0..n).step_by(size).map(move |start| start..(start + size).min(n))
    }

    fn chunk(&self, rows: Range<usize>) -> Chunk<'_> {
        let labels = &self.labels[rows.clone()];
        let temperature = &self.temperature[rows.clone()];
        let reference = self.reference.as_ref().map(|r| r.log_probs(rows.clone(), temperature));
        let hidden = self.hidden.clone().slice([rows]);
        Chunk::new(hidden, &self.layer, labels, temperature, reference)
    }

    fn join(&self, chunks: Vec<HeadStats>, needs: Needs) -> HeadStats {
        let empty = || {
            let (device, dtype) = (self.hidden.device(), self.hidden.dtype());
            layer::widened(Tensor::<1>::zeros([0], (&device, dtype)))
        };
        let start = HeadStats::filled(needs, empty).map(|_| Vec::new());
        let parts = chunks.into_iter().fold(start, |parts, chunk| {
            parts.zip(chunk, |mut parts, part| {
                parts.push(part);
                parts
            })
        });
        parts.map(|parts| if parts.is_empty() { empty() } else { Tensor::cat(parts, 0) })
    }

    fn check(&self, needs: Needs) -> Result<(), ObjectiveError> {
        let n = self.hidden.dims()[0];
        let vocab = self.layer.check(self.hidden.dims()[1])?;
        let counts = [("labels", self.labels.len()), ("temperatures", self.temperature.len())];
        for (what, found) in counts {
            if found != n {
                return Err(ObjectiveError::Count { what, found, expected: n });
            }
        }
        if let Some(label) = self.labels.iter().find(|l| **l as usize >= vocab) {
            let what = "a label";
            return Err(ObjectiveError::Index { what, found: *label as usize, limit: vocab });
        }
        if let Some(t) = self.temperature.iter().find(|t| !(t.is_finite() && **t > 0.0)) {
            let (field, expected) = ("temperature", "a positive number");
            return Err(ObjectiveError::OutOfRange { field, value: t.to_string(), expected });
        }
        match (&self.reference, needs.full_kl) {
            (Some(reference), _) => reference.check(n, vocab),
            (None, Some(_)) => {
                let reason = "there is no reference to compare with".to_owned();
                Err(ObjectiveError::Unavailable { statistic: "full_kl", reason })
            }
            (None, None) => Ok(()),
        }
    }
}
