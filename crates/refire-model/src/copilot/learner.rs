use super::{Copilot, MistakeLog};
use crate::ModelError;
use crate::decoder::{MapParam, map_params};
use crate::train::{AdamW, AdamWConfig};
use burn::module::Module;
use burn::tensor::{Gradients, Int, Tensor, TensorData};
use refire_core::{Purpose, Stream};
use refire_objective::ObjectiveError;
use serde::{Deserialize, Serialize};

/// How a copilot learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopilotTraining {
    /// The optimiser.
    pub adamw: AdamWConfig,
    /// Learning rate.
    pub learning_rate: f64,
    /// Tokens of a step.
    pub batch_size: usize,
    /// Times that the log is read.
    pub epochs: usize,
    /// Seed of the order.
    pub seed: u64,
}

impl Default for CopilotTraining {
    /// Values of our own: the paper trains a larger copilot for one epoch beside its pilot.
    fn default() -> Self {
        Self {
            adamw: AdamWConfig::default(),
            learning_rate: 1e-3,
            batch_size: 256,
            epochs: 3,
            seed: 0,
        }
    }
}

impl CopilotTraining {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let mut problems = self.adamw.validate();
        let rate = self.learning_rate;
        let fields = [
            ("learning_rate", rate.to_string(), rate.is_finite() && rate > 0.0, "above 0"),
            ("batch_size", self.batch_size.to_string(), self.batch_size > 0, "at least 1"),
            ("epochs", self.epochs.to_string(), self.epochs > 0, "at least 1"),
        ];
        let bad = fields.into_iter().filter(|(_, _, ok, _)| !ok);
        problems.extend(bad.map(|(field, value, _, expected)| ObjectiveError::OutOfRange {
            field,
            value,
            expected,
        }));
        problems
    }
}

/// Trains a [`Copilot`] on a [`MistakeLog`].
#[derive(Debug)]
pub struct CopilotLearner {
    copilot: Copilot,
    config: CopilotTraining,
    adamw: AdamW,
    epochs: u64,
}

impl CopilotLearner {
    /// Takes a copilot to train.
    ///
    /// # Errors
    /// When `config` objects to itself.
    pub fn new(copilot: Copilot, config: CopilotTraining) -> Result<Self, ModelError> {
        ModelError::collect("copilot training", config.validate())?;
        Ok(Self { copilot, config, adamw: AdamW::default(), epochs: 0 })
    }

    /// The copilot as it is now.
    pub fn copilot(&self) -> Copilot {
        self.copilot.valid()
    }

    /// Reads the log as often as configured, in an order of its own each time, and gives the mean
    /// loss of each reading. It may be called again with a log that has grown.
    ///
    /// # Errors
    /// For an empty log, one of another pilot, and where a loss isn't finite; nothing is changed
    /// by that step then.
    pub fn learn(&mut self, log: &MistakeLog) -> Result<Vec<f64>, ModelError> {
        let refuse = |reason: String| Err(ModelError::Copilot { reason });
        if log.is_empty() {
            return refuse("the log of mistakes is empty".to_owned());
        }
        let [_, hidden] = self.copilot.down.val().dims();
        let width = |index| log.at(index).hidden.len();
        if let Some(index) = (0..log.len()).find(|index| width(*index) != hidden) {
            let found = width(index);
            return refuse(format!(
                "a logged state has {found} numbers, the copilot reads {hidden}"
            ));
        }
        let [vocab, _] = self.copilot.up.val().dims();
        let beyond = |index: &usize| log.at(*index).errors.iter().any(|e| e.0 as usize >= vocab);
        if (0..log.len()).any(|index| beyond(&index)) {
            return refuse(format!("the log has tokens beyond the copilot's {vocab}"));
        }
        (0..self.config.epochs).map(|_| self.epoch(log)).collect()
    }

    fn epoch(&mut self, log: &MistakeLog) -> Result<f64, ModelError> {
        let mut order: Vec<usize> = (0..log.len()).collect();
        let purpose = Purpose::named("copilot");
        Stream::new(self.config.seed, purpose, self.epochs, 0, 0).shuffle(&mut order);
        self.epochs += 1;
        let mut total = 0.0;
        for indices in order.chunks(self.config.batch_size) {
            total += self.step(log, indices)? * indices.len() as f64;
        }
        Ok(total / log.len() as f64)
    }

    fn step(&mut self, log: &MistakeLog, indices: &[usize]) -> Result<f64, ModelError> {
        let copilot = self.copilot.clone().train();
        let loss = loss(&copilot, log, indices);
        let value = loss.clone().inner().try_into_scalar::<f32>().map_err(|error| {
            ModelError::Device { what: "the copilot's loss".to_owned(), reason: error.to_string() }
        })?;
        if !value.is_finite() {
            let (what, value) = ("the copilot's loss", f64::from(value));
            return Err(ModelError::NotFinite { what, value });
        }
        let gradients = loss.backward();
        self.adamw.steps += 1;
        let mut update =
            Update { adamw: &mut self.adamw, config: &self.config, gradients: &gradients };
        self.copilot = map_params(copilot, &mut update).valid();
        Ok(f64::from(value))
    }
}

/// `sqrt(mean over tokens |f(h) - l|^2)`, `[1]`, with `l` 0 where it wasn't kept:
/// `|f|^2 - 2 f . l + |l|^2`.
fn loss(copilot: &Copilot, log: &MistakeLog, indices: &[usize]) -> Tensor<1> {
    let device = copilot.down.val().inner().device();
    let mistakes = || indices.iter().map(|index| log.at(*index));
    let (n, hidden) = (indices.len(), copilot.down.val().dims()[1]);
    let kept = mistakes().map(|m| m.errors.len()).max().unwrap_or(1);
    let states: Vec<f32> = mistakes().flat_map(|m| m.hidden.iter().copied()).collect();
    // Shorter lists are filled up with errors of 0.
    let filled = |m: &super::log::Mistake| {
        let mut errors = m.errors.clone();
        errors.resize(kept, (0, 0.0));
        errors
    };
    let errors: Vec<(u32, f32)> = mistakes().flat_map(filled).collect();
    let square: f64 = errors.iter().map(|(_, e)| f64::from(*e).powi(2)).sum();
    let tokens: Vec<i64> = errors.iter().map(|(token, _)| i64::from(*token)).collect();
    let values: Vec<f32> = errors.iter().map(|(_, error)| *error).collect();
    let tracked = |values: Vec<f32>, shape| {
        Tensor::<2>::from_inner(Tensor::from_data(TensorData::new(values, shape), &device))
    };
    let f = copilot.forward(tracked(states, [n, hidden]));
    let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [n, kept]), &f.device());
    let along = (f.clone().gather(1, tokens) * tracked(values, [n, kept])).sum();
    let sum = (f.clone() * f).sum() - along * 2.0 + square;
    // A loss of 0 has no slope.
    (sum / n as f64).clamp_min(1e-12).sqrt()
}

struct Update<'a> {
    adamw: &'a mut AdamW,
    config: &'a CopilotTraining,
    gradients: &'a Gradients,
}

impl MapParam for Update<'_> {
    fn map<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(grad) = tensor.grad(self.gradients) else { return tensor };
        let grad = grad.flatten::<1>(0, D - 1);
        let rate = self.config.learning_rate;
        let updated = self.adamw.update(&self.config.adamw, path, tensor.inner(), grad, 1.0, rate);
        Tensor::from_inner(updated).require_grad()
    }
}
