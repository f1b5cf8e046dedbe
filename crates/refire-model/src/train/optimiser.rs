use super::adamw::AdamW;
use super::gradients::GradientSum;
use super::masters::{Masters, is_half};
use super::muon::Muon;
use super::{LearnerConfig, MuonConfig};
use crate::decoder::{MapParam, VisitParam};
use burn::tensor::{DType, Tensor};

/// The memory of both optimisers; each parameter belongs to one of them. Either may have a master.
#[derive(Debug, Clone, Default)]
pub(crate) struct Optimiser {
    pub(crate) adamw: AdamW,
    pub(crate) muon: Muon,
    pub(crate) masters: Masters,
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

/// Makes room for what AdamW and masters keep of each parameter, before anything of a pass takes
/// memory: what lives shorter comes to lie behind it, and goes back to the system when it is freed.
pub(super) struct Reserve<'a> {
    pub(super) optimiser: &'a mut Optimiser,
    pub(super) config: &'a LearnerConfig,
}

impl VisitParam for Reserve<'_> {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        let weight = tensor.inner();
        self.optimiser.masters.reserve(path, &weight);
        if !self.config.muon.as_ref().is_some_and(|muon| muon.claims(path, D)) {
            self.optimiser.adamw.reserve(path, &weight);
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
        let (dims, half) = (weight.dims(), is_half(weight.dtype()));
        let (adamw, scale, rate) = (&self.config.adamw, self.scale, self.rate);
        let muon = self.config.muon.as_ref().filter(|muon| muon.claims(path, D));
        let Optimiser { adamw: memory, masters, .. } = &mut *self.optimiser;
        match (muon, &dims[..], half) {
            (Some(config), [rows, cols], false) => {
                self.by_muon(config, path, weight.reshape([*rows, *cols]), grad).reshape(dims)
            }
            (Some(config), [rows, cols], true) => {
                let master = masters.take(path, &weight).reshape([*rows, *cols]);
                let exact = self.by_muon(config, path, master, grad.cast(DType::F32));
                let rounded = exact.clone().cast(weight.dtype()).reshape(dims);
                self.optimiser.masters.put(path, exact.flatten(0, 1));
                rounded
            }
            (_, _, false) => memory.update(adamw, path, weight, grad, scale, rate),
            (_, _, true) => {
                let master = masters.take(path, &weight);
                let held = (weight, master);
                let (weight, master) = memory.update_master(adamw, path, held, grad, scale, rate);
                masters.put(path, master);
                weight
            }
        }
    }

    fn by_muon(
        &mut self,
        config: &MuonConfig,
        path: &str,
        weight: Tensor<2>,
        grad: Tensor<1>,
    ) -> Tensor<2> {
        let grad = if self.scale < 1.0 { grad * self.scale } else { grad };
        self.optimiser.muon.update(config, path, weight, grad, self.rate)
    }
}

impl MapParam for Update<'_> {
    fn map<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(grad) = self.gradients.get(path) else { return tensor };
        Tensor::from_inner(self.updated(path, tensor.inner(), grad)).require_grad()
    }
}
