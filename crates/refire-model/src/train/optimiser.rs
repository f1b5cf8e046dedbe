use super::LearnerConfig;
use super::adamw::AdamW;
use super::gradients::GradientSum;
use super::muon::Muon;
use crate::decoder::{MapParam, VisitParam};
use burn::tensor::Tensor;

/// The memory of both optimisers; each parameter belongs to one of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Optimiser {
    pub(crate) adamw: AdamW,
    pub(crate) muon: Muon,
}

/// One update of every parameter that has a gradient.
pub(super) struct Update<'a> {
    pub(super) optimiser: &'a mut Optimiser,
    pub(super) gradients: &'a GradientSum,
    pub(super) config: &'a LearnerConfig,
    /// What gradients are multiplied by, at most 1.
    pub(super) scale: f64,
    pub(super) rate: f64,
}

/// Makes room for what AdamW keeps of each parameter, before anything of a pass takes memory: what
/// lives shorter comes to lie behind it, and goes back to the system when it is freed.
pub(super) struct Reserve<'a> {
    pub(super) optimiser: &'a mut Optimiser,
    pub(super) config: &'a LearnerConfig,
}

impl VisitParam for Reserve<'_> {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        if !self.config.muon.as_ref().is_some_and(|muon| muon.claims(path, D)) {
            self.optimiser.adamw.reserve(path, &tensor.inner());
        }
    }
}

impl Update<'_> {
    fn updated<const D: usize>(
        &mut self,
        path: &str,
        weight: Tensor<D>,
        grad: Tensor<1>,
    ) -> Tensor<D> {
        let (dims, scale) = (weight.dims(), self.scale);
        let muon = self.config.muon.as_ref().filter(|muon| muon.claims(path, D));
        match (muon, &dims[..]) {
            (Some(config), [rows, cols]) => {
                let weight = weight.reshape([*rows, *cols]);
                let grad = if scale < 1.0 { grad * scale } else { grad };
                let weight = self.optimiser.muon.update(config, path, weight, grad, self.rate);
                weight.reshape(dims)
            }
            _ => {
                let config = &self.config.adamw;
                self.optimiser.adamw.update(config, path, weight, grad, scale, self.rate)
            }
        }
    }
}

impl MapParam for Update<'_> {
    fn map<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(grad) = self.gradients.get(path) else { return tensor };
        Tensor::from_inner(self.updated(path, tensor.inner(), grad)).require_grad()
    }
}
