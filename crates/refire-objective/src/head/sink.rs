use super::chunk::Chunk;
use super::layer::widened;
use super::{HeadLayer, HeadStats};
use burn::tensor::Tensor;
use refire_core::Needs;

/// Gradients that a walk gives.
#[derive(Debug, Clone)]
pub struct HeadGrads {
    /// `[n, hidden]`.
    pub hidden: Tensor<2>,
    /// `[vocab, hidden]`, unless the layer is frozen.
    pub weight: Option<Tensor<2>>,
    /// `[vocab, r]`, where the layer has a thin part.
    pub thin: Option<Tensor<2>>,
    /// `[vocab]`, where the layer has a bias and isn't frozen.
    pub bias: Option<Tensor<1>>,
}

/// Sums the gradients of chunks.
pub(super) struct GradSink<'a> {
    layer: &'a HeadLayer,
    with_layer: bool,
    hidden: Vec<Tensor<2>>,
    weight: Option<Tensor<2>>,
    thin: Option<Tensor<2>>,
    bias: Option<Tensor<1>>,
}

impl<'a> GradSink<'a> {
    pub(super) fn new(layer: &'a HeadLayer, with_layer: bool) -> Self {
        Self { layer, with_layer, hidden: Vec::new(), weight: None, thin: None, bias: None }
    }

    pub(super) fn add(&mut self, chunk: Chunk<'_>, needs: Needs, grads: HeadStats) {
        let (d, hidden) = chunk.d_product(self.layer, needs, grads);
        let [h, u] = match &self.layer.thin {
            Some(_) => self.layer.parts(hidden).map(Some),
            None => [Some(hidden), None],
        };
        if let Some(u) = u {
            self.thin = Some(weight_grad(self.thin.take(), d.clone(), u));
        }
        if let Some(h) = h.filter(|_| self.with_layer) {
            self.weight = Some(weight_grad(self.weight.take(), d.clone(), h));
            if self.layer.bias.is_some() {
                let part = widened(d.clone()).sum_dim(0).flatten(0, 1);
                self.bias = Some(match self.bias.take() {
                    Some(sum) => sum + part,
                    None => part,
                });
            }
        }
        self.hidden.push(self.layer.d_hidden(d));
    }

    pub(super) fn finish(self, hidden: &Tensor<2>) -> HeadGrads {
        let d_hidden =
            if self.hidden.is_empty() { hidden.zeros_like() } else { Tensor::cat(self.hidden, 0) };
        HeadGrads { hidden: d_hidden, weight: self.weight, thin: self.thin, bias: self.bias }
    }
}

/// `sum + d^T x`, summed in 32 bits at least.
fn weight_grad(sum: Option<Tensor<2>>, d: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
    match sum {
        Some(sum) if sum.dtype() == d.dtype() => refire_kernels::add_weight_grad(sum, d, x),
        Some(sum) => sum + widened(d.transpose().matmul(x)),
        None => widened(d.transpose().matmul(x)),
    }
}
