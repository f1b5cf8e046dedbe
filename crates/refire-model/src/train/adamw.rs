use super::masters::format;
use burn::tensor::Tensor;
use refire_kernels::{AdamWMaster, AdamWStep, adamw, adamw_master};
use refire_objective::ObjectiveError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// AdamW as in torch, with state by parameter path.
///
/// ```text
/// m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
/// w = w (1 - rate * decay) - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
/// ```
///
/// Loshchilov and Hutter, arXiv 1711.05101. Vectors (norms, biases) are not decayed. For a weight
/// in half precision, moments and a master that the weight is rounded from are kept in 32 bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the mean.
    pub beta1: f64,
    /// Decay of the mean square.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Decay of matrices.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    /// torch's: 0.9, 0.999, 1e-8, 0.01.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 }
    }
}

impl AdamWConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let fields = [
            ("beta1", self.beta1, (0.0..1.0).contains(&self.beta1), "from 0 to below 1"),
            ("beta2", self.beta2, (0.0..1.0).contains(&self.beta2), "from 0 to below 1"),
            ("eps", self.eps, self.eps > 0.0 && self.eps.is_finite(), "a positive number"),
            (
                "weight_decay",
                self.weight_decay,
                (0.0..f64::INFINITY).contains(&self.weight_decay),
                "a number from 0",
            ),
        ];
        let bad = fields.into_iter().filter(|(_, _, ok, _)| !ok);
        let problem = |(field, value, _, expected): (_, f64, _, _)| ObjectiveError::OutOfRange {
            field,
            value: value.to_string(),
            expected,
        };
        bad.map(problem).collect()
    }
}

/// Moments of one parameter, flattened.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    pub(crate) mean: Tensor<1>,
    pub(crate) square: Tensor<1>,
}

/// The optimiser's memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct AdamW {
    pub(crate) steps: u64,
    pub(crate) moments: BTreeMap<String, Moments>,
}

impl AdamW {
    /// Moments of 0 for a parameter that has none yet.
    pub(crate) fn reserve<const D: usize>(&mut self, path: &str, weight: &Tensor<D>) {
        if !self.moments.contains_key(path) {
            let count = weight.dims().iter().product::<usize>();
            let zeros = || Tensor::zeros([count], (&weight.device(), format(weight.dtype())));
            self.moments.insert(path.to_owned(), Moments { mean: zeros(), square: zeros() });
        }
    }

    /// The updated parameter; `steps` must already count this update. The gradient counts times
    /// `scale`.
    pub(crate) fn update<const D: usize>(
        &mut self,
        config: &AdamWConfig,
        path: &str,
        weight: Tensor<D>,
        grad: Tensor<1>,
        scale: f64,
        rate: f64,
    ) -> Tensor<D> {
        let dims = weight.dims();
        let count = dims.iter().product::<usize>();
        let step = self.step::<D>(config, scale, rate);
        let moments = self.moments.remove(path).map(|Moments { mean, square }| [mean, square]);
        let (weight, [mean, square]) = adamw(&step, weight.reshape([count]), grad, moments);
        self.moments.insert(path.to_owned(), Moments { mean, square });
        weight.reshape(dims)
    }

    /// As [`update`](Self::update), of a weight in half precision and its master.
    pub(crate) fn update_master<const D: usize>(
        &mut self,
        config: &AdamWConfig,
        path: &str,
        (weight, master): (Tensor<D>, Tensor<1>),
        grad: Tensor<1>,
        scale: f64,
        rate: f64,
    ) -> (Tensor<D>, Tensor<1>) {
        let dims = weight.dims();
        let count = dims.iter().product::<usize>();
        let step = self.step::<D>(config, scale, rate);
        let zeros = || Moments { mean: master.zeros_like(), square: master.zeros_like() };
        let Moments { mean, square } = self.moments.remove(path).unwrap_or_else(zeros);
        let master = AdamWMaster { weight: master, mean, square };
        let (weight, master) = adamw_master(&step, weight.reshape([count]), grad, master);
        let AdamWMaster { weight: master, mean, square } = master;
        self.moments.insert(path.to_owned(), Moments { mean, square });
        (weight.reshape(dims), master)
    }

    fn step<const D: usize>(&self, config: &AdamWConfig, scale: f64, rate: f64) -> AdamWStep {
        AdamWStep {
            beta1: config.beta1,
            beta2: config.beta2,
            eps: config.eps,
            rate,
            decay: if D == 1 { 0.0 } else { rate * config.weight_decay },
            grad_scale: scale,
            step: self.steps,
        }
    }
}
