//! The language-model head without `[batch, time, vocab]`.
//!
//! From hidden states `[n, hidden]` at the targets and the head's weight `[vocab, hidden]`, logits
//! exist for one chunk of rows at a time. A first walk gives statistics; the objective's gradient
//! with respect to them goes back in a second walk, in closed form. With `p = softmax(z)`,
//! `z = h W^T / T`, label `y`:
//!
//! ```text
//! logprob      l = z_y - logsumexp(z)      dl/dz_j = [j = y] - p_j
//! entropy      H = -sum p_j log p_j        dH/dz_j = -p_j (log p_j + H)
//! sum_sq       S = sum p_j^2               dS/dz_j = 2 p_j (p_j - S)
//! mean_logprob M = mean_j log p_j          dM/dz_j = 1/V - p_j
//! ```
//!
//! Where the coefficient of the log-probability is known beforehand, one walk does both.

use crate::ObjectiveError;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use refire_core::Needs;

/// Logits that a chunk may hold: 4 Mi, so that a small vocabulary takes few chunks.
const CHUNK_LOGITS: usize = 1 << 22;
/// Fewer rows than this lose more in accumulating the weight's gradient than they save.
const MIN_CHUNK_ROWS: usize = 256;

/// Rows of logits that exist at a time, for a vocabulary of this size.
pub fn chunk_rows(vocab: usize) -> usize {
    (CHUNK_LOGITS / vocab.max(1)).max(MIN_CHUNK_ROWS)
}

/// One value per target, `[n]`; also used for the gradients with respect to them.
#[derive(Debug, Clone)]
pub struct HeadStats {
    /// Log-probability of the label.
    pub logprobs: Tensor<1>,
    /// Entropy.
    pub entropy: Option<Tensor<1>>,
    /// Sum of squared probabilities.
    pub sum_sq: Option<Tensor<1>>,
    /// Mean log-probability.
    pub mean_logprob: Option<Tensor<1>>,
}

/// Gradients that a walk gives.
#[derive(Debug, Clone)]
pub struct HeadGrads {
    /// `[n, hidden]`.
    pub hidden: Tensor<2>,
    /// `[vocab, hidden]`, unless the head is frozen.
    pub weight: Option<Tensor<2>>,
}

/// Targets of a walk. None of the tensors is tracked by autodiff.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// Hidden states `[n, hidden]`.
    pub hidden: Tensor<2>,
    /// Weight `[vocab, hidden]`.
    pub weight: Tensor<2>,
    /// Label of each row.
    pub labels: &'a [u32],
    /// Temperature of each row, above 0.
    pub temperature: &'a [f32],
    /// Rows of logits at a time.
    pub chunk_rows: usize,
}

impl Head<'_> {
    /// Statistics of all targets.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_core::Needs;
    /// use refire_objective::head::Head;
    /// let device = Device::flex();
    /// let head = Head {
    ///     hidden: Tensor::from_data([[1.0, 0.0]], &device),
    ///     weight: Tensor::zeros([4, 2], &device),
    ///     labels: &[2],
    ///     temperature: &[1.0],
    ///     chunk_rows: 256,
    /// };
    /// let logprob = head.stats(Needs::NONE)?.logprobs.into_scalar::<f32>();
    /// assert!((logprob - 0.25_f32.ln()).abs() < 1e-6);
    /// # Ok::<(), refire_objective::ObjectiveError>(())
    /// ```
    ///
    /// # Errors
    /// When labels, temperatures and shapes don't fit, or a full KL is asked for.
    pub fn stats(&self, needs: Needs) -> Result<HeadStats, ObjectiveError> {
        self.check(needs)?;
        let chunks = self.chunks().map(|rows| self.chunk(rows).stats(needs)).collect();
        Ok(self.join(chunks, needs))
    }

    /// Gradients of hidden states and weight from the gradients of the statistics.
    ///
    /// # Errors
    /// As for [`stats`](Self::stats).
    pub fn backward(
        &self,
        grads: &HeadStats,
        with_weight: bool,
    ) -> Result<HeadGrads, ObjectiveError> {
        self.check(Needs::NONE)?;
        let mut sink = GradSink::default();
        for rows in self.chunks() {
            let chunk = self.chunk(rows.clone());
            let d_logits = chunk.d_logits(&grads.slice(rows));
            sink.add(&chunk, d_logits, &self.weight, with_weight);
        }
        Ok(sink.finish(&self.hidden))
    }

    /// Statistics and gradients in one walk, where `d loss / d logprob` `[n]` is known.
    ///
    /// # Errors
    /// As for [`stats`](Self::stats).
    pub fn stats_and_grads(
        &self,
        needs: Needs,
        coefficients: &Tensor<1>,
        with_weight: bool,
    ) -> Result<(HeadStats, HeadGrads), ObjectiveError> {
        self.check(needs)?;
        let (mut sink, mut stats) = (GradSink::default(), Vec::new());
        for rows in self.chunks() {
            let chunk = self.chunk(rows.clone());
            stats.push(chunk.stats(needs));
            let grads = HeadStats::from_logprobs(coefficients.clone().slice([rows]));
            let d_logits = chunk.d_logits(&grads);
            sink.add(&chunk, d_logits, &self.weight, with_weight);
        }
        Ok((self.join(stats, needs), sink.finish(&self.hidden)))
    }

    fn chunks(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (n, size) = (self.labels.len(), self.chunk_rows.max(1));
        (0..n).step_by(size).map(move |start| start..(start + size).min(n))
    }

    fn chunk(&self, rows: std::ops::Range<usize>) -> Chunk {
        let device = self.hidden.device();
        let n = rows.len();
        let hidden = self.hidden.clone().slice([rows.clone()]);
        let scale: Vec<f32> = self.temperature[rows.clone()].iter().map(|t| t.recip()).collect();
        let uniform = scale.iter().all(|s| *s == 1.0);
        let dtype = hidden.dtype();
        let scale = (!uniform)
            .then(|| Tensor::<2>::from_data(TensorData::new(scale, [n, 1]), (&device, dtype)));
        let labels = indices(&self.labels[rows], &device).reshape([n, 1]);
        let logits = hidden.clone().matmul(self.weight.clone().transpose());
        let logits = match &scale {
            Some(scale) => logits * scale.clone(),
            None => logits,
        };
        let shifted = logits.clone() - logits.max_dim(1);
        let exp = shifted.clone().exp();
        let sum = exp.clone().sum_dim(1);
        Chunk { hidden, labels, scale, shifted, log_sum: sum.clone().log(), probs: exp / sum }
    }

    fn join(&self, chunks: Vec<HeadStats>, needs: Needs) -> HeadStats {
        let device = self.hidden.device();
        if chunks.is_empty() {
            let zero = || Tensor::<1>::zeros([0], (&device, self.hidden.dtype()));
            return HeadStats {
                logprobs: zero(),
                entropy: needs.entropy.then(zero),
                sum_sq: needs.sum_sq.then(zero),
                mean_logprob: needs.mean_logprob.then(zero),
            };
        }
        let join = |part: fn(&HeadStats) -> Option<Tensor<1>>| {
            let parts: Option<Vec<_>> = chunks.iter().map(part).collect();
            parts.map(|parts| Tensor::cat(parts, 0))
        };
        HeadStats {
            logprobs: Tensor::cat(chunks.iter().map(|c| c.logprobs.clone()).collect(), 0),
            entropy: join(|c| c.entropy.clone()),
            sum_sq: join(|c| c.sum_sq.clone()),
            mean_logprob: join(|c| c.mean_logprob.clone()),
        }
    }

    fn check(&self, needs: Needs) -> Result<(), ObjectiveError> {
        let [n, hidden] = self.hidden.dims();
        let [vocab, width] = self.weight.dims();
        if hidden != width {
            let (found, expected) = (vec![vocab, width], vec![vocab, hidden]);
            return Err(ObjectiveError::Shape { what: "the head's weight", found, expected });
        }
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
        if needs.full_kl.is_some() {
            let reason = "the head walk has no reference head yet".to_owned();
            return Err(ObjectiveError::Unavailable { statistic: "full_kl", reason });
        }
        Ok(())
    }
}

impl HeadStats {
    /// Log-probabilities alone.
    pub fn from_logprobs(logprobs: Tensor<1>) -> Self {
        Self { logprobs, entropy: None, sum_sq: None, mean_logprob: None }
    }

    fn slice(&self, rows: std::ops::Range<usize>) -> Self {
        let cut = |t: &Tensor<1>| t.clone().slice([rows.clone()]);
        Self {
            logprobs: cut(&self.logprobs),
            entropy: self.entropy.as_ref().map(cut),
            sum_sq: self.sum_sq.as_ref().map(cut),
            mean_logprob: self.mean_logprob.as_ref().map(cut),
        }
    }
}

struct Chunk {
    hidden: Tensor<2>,
    labels: Tensor<2, Int>,
    scale: Option<Tensor<2>>,
    /// Scaled logits minus their maximum, `[rows, vocab]`.
    shifted: Tensor<2>,
    /// `log sum exp(shifted)`, `[rows, 1]`.
    log_sum: Tensor<2>,
    probs: Tensor<2>,
}

impl Chunk {
    fn stats(&self, needs: Needs) -> HeadStats {
        let flat = |t: Tensor<2>| t.flatten::<1>(0, 1);
        HeadStats {
            logprobs: flat(
                self.shifted.clone().gather(1, self.labels.clone()) - self.log_sum.clone(),
            ),
            entropy: needs.entropy.then(|| flat(self.entropy())),
            sum_sq: needs.sum_sq.then(|| flat(self.sum_sq())),
            mean_logprob: needs
                .mean_logprob
                .then(|| flat(self.shifted.clone().mean_dim(1) - self.log_sum.clone())),
        }
    }

    fn entropy(&self) -> Tensor<2> {
        self.log_sum.clone() - (self.probs.clone() * self.shifted.clone()).sum_dim(1)
    }

    fn sum_sq(&self) -> Tensor<2> {
        (self.probs.clone() * self.probs.clone()).sum_dim(1)
    }

    /// Gradient with respect to the scaled logits.
    fn d_logits(&self, grads: &HeadStats) -> Tensor<2> {
        let n = grads.logprobs.dims()[0];
        let column = |t: &Tensor<1>| t.clone().reshape([n, 1]);
        let g = column(&grads.logprobs);
        // All terms are a sum of per-row factors times p, p log p and p^2, plus the one-hot.
        let mut factor = g.clone().neg();
        if let Some(m) = &grads.mean_logprob {
            factor = factor - column(m);
        }
        let mut d = self.probs.clone() * factor;
        if let Some(h) = &grads.entropy {
            let log_probs = self.shifted.clone() - self.log_sum.clone();
            d = d - self.probs.clone() * (log_probs + self.entropy()) * column(h);
        }
        if let Some(s) = &grads.sum_sq {
            d = d + self.probs.clone() * (self.probs.clone() - self.sum_sq()) * (column(s) * 2.0);
        }
        if let Some(m) = &grads.mean_logprob {
            d = d + column(m) / self.probs.dims()[1] as f64;
        }
        d.scatter(1, self.labels.clone(), g, IndexingUpdateOp::Add)
    }
}

#[derive(Default)]
struct GradSink {
    hidden: Vec<Tensor<2>>,
    weight: Option<Tensor<2>>,
}

impl GradSink {
    fn add(&mut self, chunk: &Chunk, d_scaled: Tensor<2>, weight: &Tensor<2>, with_weight: bool) {
        let d_logits = match &chunk.scale {
            Some(scale) => d_scaled * scale.clone(),
            None => d_scaled,
        };
        if with_weight {
            let part = d_logits.clone().transpose().matmul(chunk.hidden.clone());
            self.weight = Some(match self.weight.take() {
                Some(sum) => sum + part,
                None => part,
            });
        }
        self.hidden.push(d_logits.matmul(weight.clone()));
    }

    fn finish(self, hidden: &Tensor<2>) -> HeadGrads {
        let d_hidden =
            if self.hidden.is_empty() { hidden.zeros_like() } else { Tensor::cat(self.hidden, 0) };
        HeadGrads { hidden: d_hidden, weight: self.weight }
    }
}

/// Token ids as an integer tensor.
pub(crate) fn indices(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
    let n = ids.len();
    Tensor::from_data(TensorData::new(ids, [n]), device)
}
