use super::chunk::Chunk;
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
    /// `[vocab]`, where the layer has a bias and isn't frozen.
    pub bias: Option<Tensor<1>>,
}

/// Sums the gradients of chunks.
pub(super) struct GradSink<'a> {
    layer: &'a HeadLayer,
    with_layer: bool,
    hidden: Vec<Tensor<2>>,
    weight: Option<Tensor<2>>,
    bias: Option<Tensor<1>>,
}

impl<'a> GradSink<'a> {
    pub(super) fn new(layer: &'a HeadLayer, with_layer: bool) -> Self {
        Self { layer, with_layer, hidden: Vec::new(), weight: None, bias: None }
    }

    pub(super) fn add(&mut self, chunk: Chunk<'_>, needs: Needs, grads: HeadStats) {
        let (d, hidden) = chunk.d_product(self.layer, needs, grads);
        if self.with_layer {
            let part = d.clone().transpose().matmul(hidden);
            self.weight = Some(sum(self.weight.take(), part));
            if self.layer.bias.is_some() {
                let part = d.clone().sum_dim(0).flatten(0, 1);
                self.bias = Some(sum(self.bias.take(), part));
            }
        }
        self.hidden.push(d.matmul(self.layer.weight.clone()));
    }

    pub(super) fn finish(self, hidden: &Tensor<2>) -> HeadGrads {
        let d_hidden =
            if self.hidden.is_empty() { hidden.zeros_like() } else { Tensor::cat(self.hidden, 0) };
        HeadGrads { hidden: d_hidden, weight: self.weight, bias: self.bias }
    }
}

fn sum<const D: usize>(total: Option<Tensor<D>>, part: Tensor<D>) -> Tensor<D> {
    match total {
        Some(total) => total + part,
        None => part,
    }
}
