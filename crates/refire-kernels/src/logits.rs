use crate::check;
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

/// One number for each row of logits, `[n]`; also used for the gradients with respect to them.
#[derive(Debug, Clone)]
pub struct LogitStats {
    /// Log-probability of the label.
    pub logprobs: Tensor<1>,
    /// `-sum p log p`.
    pub entropy: Option<Tensor<1>>,
    /// `sum p^2`.
    pub sum_sq: Option<Tensor<1>>,
    /// Mean of the log-probabilities of all labels.
    pub mean_logprob: Option<Tensor<1>>,
}

/// Rows of logits, `[n, vocab]`, with a label each. Nothing here is tracked by autodiff: the
/// gradient is in closed form. With `z = logits / temperature` and `p = softmax(z)`:
///
/// ```text
/// logprob      l = z_y - logsumexp(z)      dl/dz_j = [j = y] - p_j
/// entropy      H = -sum p_j log p_j        dH/dz_j = -p_j (log p_j + H)
/// sum_sq       S = sum p_j^2               dS/dz_j = 2 p_j (p_j - S)
/// mean_logprob M = mean_j log p_j          dM/dz_j = 1/V - p_j
/// ```
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_kernels::LogitRows;
/// let logits = Tensor::<2>::zeros([1, 4], &Device::flex());
/// let rows = LogitRows::new(logits, &[2], &[1.0]);
/// assert!((rows.entropy().into_scalar::<f32>() - 4_f32.ln()).abs() < 1e-6);
/// ```
#[derive(Debug, Clone)]
pub struct LogitRows<'a> {
    /// The logits.
    logits: Tensor<2>,
    labels: &'a [u32],
    /// `1 / temperature` of each row.
    inverse: Vec<f32>,
    /// `logsumexp(z)`, `[n]`.
    log_sums: Tensor<1>,
    /// What a kernel found on its way.
    known: Option<LogitStats>,
}

impl<'a> LogitRows<'a> {
    /// Logits, and of each row a label below their number and a temperature above 0. Where they
    /// don't fit one another ([`check::logit_rows`]), all is NaN.
    pub fn new(logits: Tensor<2>, labels: &'a [u32], temperature: &[f32]) -> Self {
        let n = logits.dims()[0];
        if check::logit_rows(&logits, labels, temperature).is_err() {
            let logits = logits * f64::NAN;
            let log_sums = check::nothing(logits.clone(), [n]);
            return Self { logits, labels: &[], inverse: vec![1.0; n], log_sums, known: None };
        }
        let inverse = temperature.iter().map(|t| f64::from(*t).recip() as f32);
        let inverse: Vec<f32> = inverse.collect();
        #[cfg(feature = "flex")]
        if let Some((log_sums, stats)) = crate::flex::logit_stats(&logits, labels, &inverse) {
            return Self { logits, labels, inverse, log_sums, known: Some(stats) };
        }
        #[cfg(feature = "cube")]
        if let Some((log_sums, stats)) = crate::cube::logit_stats(&logits, labels, &inverse) {
            return Self { logits, labels, inverse, log_sums, known: Some(stats) };
        }
        if n == 0 {
            let log_sums = Tensor::zeros([0], (&logits.device(), logits.dtype()));
            return Self { logits, labels, inverse, log_sums, known: None };
        }
        let z = scaled(&logits, &inverse);
        let max = z.clone().max_dim(1);
        let log_sums = flat((z - max.clone()).exp().sum_dim(1).log() + max);
        Self { logits, labels, inverse, log_sums, known: None }
    }

    /// Log-probability of each row's label.
    pub fn logprobs(&self) -> Tensor<1> {
        match &self.known {
            Some(known) => known.logprobs.clone(),
            // No rows, or rows of NaN.
            None if self.labels.is_empty() => self.log_sums.clone(),
            None => {
                let labels = indices(self.labels, &self.logits);
                let found = scaled(&self.logits.clone().gather(1, labels), &self.inverse);
                flat(found) - self.log_sums.clone()
            }
        }
    }

    /// `-sum p log p`.
    pub fn entropy(&self) -> Tensor<1> {
        self.known(
            |known| known.entropy.clone(),
            |log_p| (log_p.clone().exp() * log_p).sum_dim(1).neg(),
        )
    }

    /// `sum p^2`.
    pub fn sum_sq(&self) -> Tensor<1> {
        self.known(|known| known.sum_sq.clone(), |log_p| (log_p * 2.0).exp().sum_dim(1))
    }

    /// Mean of the log-probabilities of all labels.
    pub fn mean_logprob(&self) -> Tensor<1> {
        self.known(|known| known.mean_logprob.clone(), |log_p| log_p.mean_dim(1))
    }

    fn known(
        &self,
        known: impl Fn(&LogitStats) -> Option<Tensor<1>>,
        compose: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<1> {
        let compose = || match self.labels.is_empty() {
            true => self.log_sums.clone(),
            false => flat(compose(self.log_probs())),
        };
        self.known.as_ref().and_then(known).unwrap_or_else(compose)
    }

    /// `log p`, `[n, vocab]`.
    pub fn log_probs(&self) -> Tensor<2> {
        scaled(&self.logits, &self.inverse) - self.log_sums.clone().unsqueeze_dim(1)
    }

    /// Rows times `1 / temperature`: what carries a gradient from `z` to the logits.
    pub fn scaled(&self, rows: &Tensor<2>) -> Tensor<2> {
        scaled(rows, &self.inverse)
    }

    /// The gradient with respect to the logits, from those with respect to the statistics. The
    /// kernel writes it where the logits are, if nobody else holds them. NaN where a gradient isn't
    /// `[n]`.
    pub fn backward(self, grads: LogitStats) -> Tensor<2> {
        let [n, vocab] = self.logits.dims();
        if check::logit_grads(n, &grads).is_err() || self.labels.len() != n {
            return self.logits * f64::NAN;
        }
        if n == 0 || vocab == 0 {
            return self.logits;
        }
        let coefficients = self.coefficients(&grads);
        let Self { logits, labels, inverse, log_sums, .. } = self;
        #[cfg(feature = "flex")]
        let logits =
            match crate::flex::logit_grads(logits, labels, &inverse, &log_sums, &coefficients) {
                Ok(grads) => return grads,
                Err(logits) => logits,
            };
        #[cfg(feature = "cube")]
        let logits =
            match crate::cube::logit_grads(logits, labels, &inverse, &log_sums, &coefficients) {
                Ok(grads) => return grads,
                Err(logits) => logits,
            };
        let column = |x: &Tensor<1>| x.clone().unsqueeze_dim::<2>(1);
        let log_p = scaled(&logits, &inverse) - column(&log_sums);
        let p = log_p.clone().exp();
        let mut factor = column(&coefficients.constant);
        if let Some(log) = &coefficients.log {
            factor = factor + log_p * column(log);
        }
        if let Some(linear) = &coefficients.linear {
            factor = p.clone() * column(linear) + factor;
        }
        let mut d = p * factor;
        if let Some(everywhere) = &coefficients.everywhere {
            d = d + column(everywhere);
        }
        d = d.scatter(
            1,
            indices(labels, &logits),
            column(&coefficients.label),
            IndexingUpdateOp::Add,
        );
        scaled(&d, &inverse)
    }

    fn coefficients(&self, grads: &LogitStats) -> Coefficients {
        let vocab = self.logits.dims()[1].max(1);
        let label = grads.logprobs.clone();
        let mut constant = label.clone().neg();
        let (mut log, mut linear, mut everywhere) = (None, None, None);
        if let Some(d) = &grads.entropy {
            constant = constant - d.clone() * self.entropy();
            log = Some(d.clone().neg());
        }
        if let Some(d) = &grads.sum_sq {
            constant = constant - d.clone() * self.sum_sq() * 2.0;
            linear = Some(d.clone() * 2.0);
        }
        if let Some(d) = &grads.mean_logprob {
            constant = constant - d.clone();
            everywhere = Some(d.clone() * (vocab as f64).recip());
        }
        Coefficients { label, constant, log, linear, everywhere }
    }
}

/// Of each row: `d_j = p_j (constant + log log p_j + linear p_j) + everywhere + label [j = y]`.
pub(crate) struct Coefficients {
    pub(crate) label: Tensor<1>,
    pub(crate) constant: Tensor<1>,
    pub(crate) log: Option<Tensor<1>>,
    pub(crate) linear: Option<Tensor<1>>,
    pub(crate) everywhere: Option<Tensor<1>>,
}

fn flat(column: Tensor<2>) -> Tensor<1> {
    column.flatten(0, 1)
}

/// Rows times their own factors.
fn scaled(logits: &Tensor<2>, factors: &[f32]) -> Tensor<2> {
    if factors.iter().all(|factor| *factor == 1.0) {
        return logits.clone();
    }
    let data = TensorData::new(factors.to_vec(), [factors.len(), 1]);
    logits.clone() * Tensor::from_data(data, (&logits.device(), logits.dtype()))
}

fn indices(labels: &[u32], like: &Tensor<2>) -> Tensor<2, Int> {
    let labels: Vec<i64> = labels.iter().map(|label| i64::from(*label)).collect();
    let n = labels.len();
    Tensor::from_data(TensorData::new(labels, [n, 1]), &like.device())
}
