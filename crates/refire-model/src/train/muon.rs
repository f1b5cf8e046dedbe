use burn::tensor::Tensor;
use refire_objective::ObjectiveError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Muon: momentum whose matrices are made orthogonal before they are taken as a step.
///
/// ```text
/// m = momentum m + g                    d = g + momentum m   (nesterov; otherwise d = m)
/// X = d / max(|d|, eps)                 |d| = sqrt of the sum of squares
/// X = a X + (b X X^T + c (X X^T)^2) X   `iterations` times: singular values go towards 1
/// w = w (1 - rate * decay) - rate * factor(rows, cols) * X
/// ```
///
/// Jordan et al. 2024, `kellerjordan.github.io/posts/muon`; factor and decay after Moonlight
/// (Liu et al., arXiv 2502.16982) as torch.optim.Muon has them. The iteration runs in the
/// weights' precision, in 32 bits for weights in half precision, whose masters it updates; torch's
/// in bfloat16.
///
/// It updates the matrices of the blocks, a fused projection (Phi 3) as one matrix. Embeddings,
/// heads, norms and biases remain with AdamW, and so do an adapter's matrices unless `adapters`
/// is set. Matrices of Muon hold one number per weight, those of AdamW two. Their gradients are
/// part of the global norm that is clipped.
///
/// For a matrix with sides `m <= n` an update takes `5 (4 m^2 n + 2 m^3)` operations with five
/// iterations: as many as the forward and backward pass of 3.3 m to 5 m tokens through it.
///
/// ```
/// use burn::tensor::Device;
/// use refire_core::Needs;
/// use refire_model::{Decoder, Learner, LearnerConfig, MuonConfig, TinyLlama};
/// use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};
///
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let config = LearnerConfig { muon: Some(MuonConfig::default()), ..LearnerConfig::default() };
/// assert!(config.validate().is_empty());
/// let mut learner = Learner::new(decoder, config);
/// let batch = TokenBatch::continuations([(&[1][..], &[2, 3][..])]);
/// let query = HeadQuery::new(Needs::NONE, &[1.0]);
/// let mut losses = Vec::new();
/// for _ in 0..5 {
///     let report = learner.accumulate(&batch, &query, &mut |stats| {
///         Ok(Loss { total: stats.logprobs.sum().neg(), metrics: vec![] })
///     })?;
///     losses.push(report.total);
///     learner.step(1e-3)?;
/// }
/// assert!(losses[4] < losses[0]);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MuonConfig {
    /// Muon's learning rate over that of the step, which is AdamW's. 1 suits
    /// [`MuonScale::MatchAdamW`]; with [`MuonScale::Aspect`], Jordan's rates are 0.02 for Muon and
    /// 3e-4 for AdamW.
    pub rate_ratio: f64,
    /// How a matrix's shape scales its step.
    pub scale: MuonScale,
    /// Decay of the momentum.
    pub momentum: f64,
    /// Whether a step looks ahead along the momentum.
    pub nesterov: bool,
    /// Decay of the weights, times Muon's rate before it is scaled by shape.
    pub weight_decay: f64,
    /// `a`, `b` and `c` of the iteration.
    pub coefficients: [f64; 3],
    /// Times the iteration is run.
    pub iterations: usize,
    /// Least norm that a direction is divided by.
    pub eps: f64,
    /// Whether an adapter's `A` and `B` are updated by Muon too.
    pub adapters: bool,
}

/// How a matrix's shape scales its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MuonScale {
    /// `0.2 sqrt(max(rows, cols))`: steps as large as AdamW's, whose rate and decay may be kept
    /// (Moonlight).
    #[default]
    #[serde(rename = "match_adamw")]
    MatchAdamW,
    /// `sqrt(max(1, rows / cols))`, rows being outputs (Jordan).
    Aspect,
}

impl Default for MuonConfig {
    /// Momentum 0.95 with look-ahead, five iterations with 3.4445, -4.7750, 2.0315 (Jordan), the
    /// scale and the decay of 0.1 of Moonlight.
    fn default() -> Self {
        Self {
            rate_ratio: 1.0,
            scale: MuonScale::MatchAdamW,
            momentum: 0.95,
            nesterov: true,
            weight_decay: 0.1,
            coefficients: [3.4445, -4.775, 2.0315],
            iterations: 5,
            eps: 1e-7,
            adapters: false,
        }
    }
}

impl MuonConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let numbers = [
            ("muon.rate_ratio", self.rate_ratio, positive(self.rate_ratio), "a positive number"),
            (
                "muon.momentum",
                self.momentum,
                (0.0..1.0).contains(&self.momentum),
                "from 0 to below 1",
            ),
            (
                "muon.weight_decay",
                self.weight_decay,
                (0.0..f64::INFINITY).contains(&self.weight_decay),
                "a number from 0",
            ),
            ("muon.eps", self.eps, positive(self.eps), "a positive number"),
        ];
        let bad = numbers.into_iter().filter(|(_, _, ok, _)| !ok);
        let problem =
            |field, value: String, expected| ObjectiveError::OutOfRange { field, value, expected };
        let mut problems: Vec<_> = bad
            .map(|(field, value, _, expected)| problem(field, value.to_string(), expected))
            .collect();
        if !self.coefficients.iter().all(|c| c.is_finite()) {
            let value = format!("{:?}", self.coefficients);
            problems.push(problem("muon.coefficients", value, "three finite numbers"));
        }
        if self.iterations == 0 {
            problems.push(problem("muon.iterations", "0".to_owned(), "at least 1"));
        }
        problems
    }

    /// Whether a parameter of this path and rank is updated by Muon.
    pub(super) fn claims(&self, path: &str, rank: usize) -> bool {
        let block = path.starts_with("model.layers.");
        rank == 2 && block && (self.adapters || !path.contains(".lora."))
    }

    /// The direction with singular values near 1.
    fn orthogonal(&self, direction: Tensor<2>) -> Tensor<2> {
        let [rows, cols] = direction.dims();
        // The Gram matrix is taken over the shorter side.
        let tall = rows > cols;
        let x = if tall { direction.transpose() } else { direction };
        let norm = (x.clone() * x.clone()).sum().sqrt().clamp_min(self.eps);
        let mut x = x / norm.unsqueeze();
        let [a, b, c] = self.coefficients;
        for _ in 0..self.iterations {
            let gram = x.clone().matmul(x.clone().transpose());
            let factor = gram.clone() * b + gram.clone().matmul(gram) * c;
            x = factor.matmul(x.clone()) + x * a;
        }
        if tall { x.transpose() } else { x }
    }
}

impl MuonScale {
    /// What the rate of a matrix is multiplied by.
    fn factor(self, rows: usize, cols: usize) -> f64 {
        let (rows, cols) = (rows as f64, cols as f64);
        match self {
            Self::MatchAdamW => 0.2 * rows.max(cols).sqrt(),
            Self::Aspect => (rows / cols).max(1.0).sqrt(),
        }
    }
}

/// The optimiser's memory: momentum by path, flattened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Muon {
    pub(crate) momenta: BTreeMap<String, Tensor<1>>,
}

impl Muon {
    /// The updated matrix.
    pub(crate) fn update(
        &mut self,
        config: &MuonConfig,
        path: &str,
        weight: Tensor<2>,
        grad: Tensor<1>,
        rate: f64,
    ) -> Tensor<2> {
        let [rows, cols] = weight.dims();
        let momentum = match self.momenta.remove(path) {
            Some(momentum) => momentum * config.momentum + grad.clone(),
            None => grad.clone(),
        };
        let direction = if config.nesterov {
            momentum.clone() * config.momentum + grad
        } else {
            momentum.clone()
        };
        self.momenta.insert(path.to_owned(), momentum);
        let step = config.orthogonal(direction.reshape([rows, cols]));
        let rate = rate * config.rate_ratio;
        let decay = rate * config.weight_decay;
        let kept = if decay == 0.0 { weight } else { weight * (1.0 - decay) };
        kept - step * (rate * config.scale.factor(rows, cols))
    }
}

#[cfg(test)]
mod tests;
