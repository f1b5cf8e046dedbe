//! A model that writes down what trainers do to it.

use crate::reference::Deltas;
use refire::burn::module::{Module, ModuleVisitor, Param};
use refire::burn::tensor::{Device, Tensor};
use refire::core::BoxError;
use refire::model::{Decoder, Learner, ValueLearner, WeightHandle};
use refire::objective::{
    Critic, Dtype, FrozenPolicy, HeadQuery, Loss, LossReport, Policy, StepReport, TokenBatch,
    TokenStats, WeightInfo,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// One update.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    pub(crate) loss: f64,
    pub(crate) grad_norm: f64,
    pub(crate) rate: f64,
    pub(crate) distance: f64,
    pub(crate) deltas: Deltas,
}

pub(crate) type Steps = Arc<Mutex<Vec<Step>>>;

/// Log-probabilities that take the place of the model's own where a trainer asks for the old ones.
pub(crate) type Old = Box<dyn Fn(&TokenBatch) -> Tensor<2> + Send>;

pub(crate) struct Recorder<M> {
    model: M,
    handle: WeightHandle,
    begin: BTreeMap<String, Vec<f32>>,
    loss: f64,
    steps: Steps,
    pub(crate) old: Option<Old>,
}

impl Recorder<Learner> {
    pub(crate) fn policy(model: Learner) -> (Self, Steps) {
        let handle = model.handle();
        Self::new(model, handle)
    }
}

impl Recorder<ValueLearner> {
    pub(crate) fn critic(model: ValueLearner) -> (Self, Steps) {
        let handle = model.handle();
        Self::new(model, handle)
    }
}

impl<M> Recorder<M> {
    fn new(model: M, handle: WeightHandle) -> (Self, Steps) {
        let begin = handle.with(|decoder, _| weights(decoder)).unwrap();
        let steps = Steps::default();
        let recorder = Self { model, handle, begin, loss: 0.0, steps: steps.clone(), old: None };
        (recorder, steps)
    }

    fn heard(&mut self, report: Result<LossReport, BoxError>) -> Result<LossReport, BoxError> {
        let report = report?;
        self.loss += report.total;
        Ok(report)
    }

    fn stepped(&mut self, report: StepReport, rate: f64) -> StepReport {
        let now = self.handle.with(|decoder, _| weights(decoder)).unwrap();
        let square = |path: &String, begin: &[f32]| -> f64 {
            begin.iter().zip(&now[path]).map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        let squares: BTreeMap<_, _> =
            self.begin.iter().map(|(path, begin)| (path.clone(), square(path, begin))).collect();
        let step = Step {
            loss: std::mem::take(&mut self.loss),
            grad_norm: report.grad_norm,
            rate,
            distance: squares.values().sum::<f64>().sqrt(),
            deltas: squares.into_iter().map(|(path, square)| (path, square.sqrt())).collect(),
        };
        self.steps.lock().unwrap().push(step);
        report
    }
}

impl Policy for Recorder<Learner> {
    fn token_stats(
        &self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
    ) -> Result<TokenStats, BoxError> {
        let stats = self.model.token_stats(batch, query)?;
        Ok(match &self.old {
            Some(old) => TokenStats { logprobs: old(batch), ..stats },
            None => stats,
        })
    }
    fn accumulate(
        &mut self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
        loss: &mut dyn FnMut(TokenStats) -> Result<Loss, BoxError>,
    ) -> Result<LossReport, BoxError> {
        let report = self.model.accumulate(batch, query, loss);
        self.heard(report)
    }
    fn step(&mut self, rate: f64) -> Result<StepReport, BoxError> {
        let report = self.model.step(rate)?;
        Ok(self.stepped(report, rate))
    }
    fn freeze(&self) -> Box<dyn FrozenPolicy> {
        self.model.freeze()
    }
    fn version(&self) -> u64 {
        self.model.version()
    }
    fn device(&self) -> Device {
        self.model.device()
    }
    fn info(&self) -> WeightInfo {
        self.model.info()
    }
    fn export(&self, dir: &Path, dtype: Dtype) -> Result<(), BoxError> {
        self.model.export(dir, dtype)
    }
    fn save_state(&self, dir: &Path) -> Result<(), BoxError> {
        self.model.save_state(dir)
    }
    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError> {
        self.model.load_state(dir)
    }
}

impl Critic for Recorder<ValueLearner> {
    fn values(&self, batch: &TokenBatch) -> Result<Tensor<2>, BoxError> {
        self.model.values(batch)
    }
    fn accumulate(
        &mut self,
        batch: &TokenBatch,
        loss: &mut dyn FnMut(Tensor<2>) -> Result<Loss, BoxError>,
    ) -> Result<LossReport, BoxError> {
        let report = self.model.accumulate(batch, loss);
        self.heard(report)
    }
    fn step(&mut self, rate: f64) -> Result<StepReport, BoxError> {
        let report = self.model.step(rate)?;
        Ok(self.stepped(report, rate))
    }
    fn version(&self) -> u64 {
        self.model.version()
    }
    fn device(&self) -> Device {
        self.model.device()
    }
    fn export(&self, dir: &Path, dtype: Dtype) -> Result<(), BoxError> {
        self.model.export(dir, dtype)
    }
    fn save_state(&self, dir: &Path) -> Result<(), BoxError> {
        self.model.save_state(dir)
    }
    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError> {
        self.model.load_state(dir)
    }
}

#[derive(Default)]
struct Weights {
    path: Vec<String>,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Weights {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().inner().into_data().iter::<f32>().collect();
        self.found.insert(self.path.join("."), values);
    }
}

fn weights(decoder: &Decoder) -> BTreeMap<String, Vec<f32>> {
    let mut weights = Weights::default();
    decoder.visit(&mut weights);
    weights.found
}
