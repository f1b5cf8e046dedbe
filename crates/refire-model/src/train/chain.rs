//! The network's body as a chain of layers, each with a graph of its own.

use super::gradients::GradientSum;
use crate::decoder::{EmbeddingEdit, Packed};
use crate::nn::Positions;
use crate::{Decoder, ModelError, Routing};
use burn::module::Module;
use burn::tensor::Tensor;
use refire_kernels::seed;

const EMBEDDING: &str = "model.embed_tokens.weight";

/// A pass through the body. Going back, a layer's graph and activations are gone as soon as its
/// gradients are there; with recomputation they are made again from what the layer read, one layer
/// at a time.
pub(super) struct Chain {
    /// In training: its weights are leaves.
    decoder: Decoder,
    positions: Option<Positions>,
    /// Embedded tokens, and what their part of the embedding's gradient is multiplied by.
    embedded: Vec<(Vec<u32>, f64)>,
    links: Vec<Link>,
    /// What the last norm reads, `[n, hidden]`.
    last: Tensor<2>,
}

/// One layer's pass.
enum Link {
    /// What it read, as a leaf, and what came of it.
    Kept(Tensor<2>, Box<Passed>),
    /// What it read.
    Input(Tensor<2>),
}

/// What a layer gave, and where it sent tokens, if it has experts.
type Passed = (Tensor<2>, Option<Routing>);

/// How the loss that balances experts weighs each layer's routing.
#[derive(Debug, Clone)]
pub(super) struct Balance {
    /// How often each expert was chosen in the whole batch.
    pub(super) counts: Vec<f64>,
    pub(super) tokens: f64,
    pub(super) coefficient: f64,
}

impl Chain {
    /// Runs a decoder that is in training over packed tokens; gives the chain, and how tokens were
    /// sent to experts.
    pub(super) fn forward(
        decoder: Decoder,
        packed: &Packed,
        edit: EmbeddingEdit<'_>,
        recompute: bool,
    ) -> Result<(Self, Option<Routing>), ModelError> {
        let scale = decoder.config.embedding_scale;
        let embedded = match edit.blend {
            Some((other, share)) => vec![
                (packed.tokens.clone(), scale * (1.0 - share)),
                (other.tokens.clone(), scale * share),
            ],
            None => vec![(packed.tokens.clone(), scale)],
        };
        let frozen = decoder.valid();
        let last = frozen.embed(packed, edit)?;
        let positions = (packed.len() > 0).then(|| frozen.positions(packed)).transpose()?;
        let mut chain = Self { decoder, positions, embedded, links: Vec::new(), last };
        let mut all = None;
        for index in 0..frozen.model.layers.len() {
            let x = chain.last.clone();
            let (link, (y, routing)) = if recompute {
                let passed = chain.pass(&frozen, index, x.clone())?;
                (Link::Input(x), passed)
            } else {
                let x = leaf(x);
                let (y, routing) = chain.pass(&chain.decoder, index, x.clone())?;
                let passed = (y.clone().inner(), routing.as_ref().map(Routing::inner));
                (Link::Kept(x, Box::new((y, routing))), passed)
            };
            chain.links.push(link);
            chain.last = y;
            all = Routing::joined(all, routing);
        }
        Ok((chain, all))
    }

    fn pass(&self, decoder: &Decoder, index: usize, x: Tensor<2>) -> Result<Passed, ModelError> {
        match &self.positions {
            Some(positions) => {
                decoder.model.layers[index].forward(x, index, positions, &decoder.config)
            }
            // There are no tokens.
            None => Ok((x, None)),
        }
    }

    /// Hidden states after the last norm, `[n, hidden]`, without graph.
    pub(super) fn hidden(&self) -> Tensor<2> {
        self.decoder.valid().model.norm.forward(self.last.clone())
    }

    /// Adds the gradients of the body's parameters, from that of the hidden states.
    pub(super) fn backward(
        self,
        grad: Tensor<2>,
        balance: Option<&Balance>,
        gradients: &mut GradientSum,
    ) -> Result<(), ModelError> {
        let x = leaf(self.last.clone());
        let norm = &self.decoder.model.norm;
        let grads = seed(norm.forward(x.clone()), grad).backward();
        gradients.add_all("model.norm", norm, &grads);
        let mut grad = x.grad(&grads).ok_or(CUT)?;
        drop(grads);
        let mut chain = self;
        for (index, link) in std::mem::take(&mut chain.links).into_iter().enumerate().rev() {
            let (x, (y, routing)) = match link {
                Link::Kept(x, passed) => (x, *passed),
                Link::Input(x) => {
                    let x = leaf(x);
                    let passed = chain.pass(&chain.decoder, index, x.clone())?;
                    (x, passed)
                }
            };
            let mut number = seed(y, grad);
            if let (Some(balance), Some(routing)) = (balance, routing) {
                let loss = routing.loss_among(&balance.counts, balance.tokens);
                number = number + loss * balance.coefficient;
            }
            let grads = number.backward();
            let layer = &chain.decoder.model.layers[index];
            gradients.add_all(&format!("model.layers.{index}"), layer, &grads);
            grad = x.grad(&grads).ok_or(CUT)?;
        }
        let weight = chain.decoder.model.embed_tokens.weight.val();
        if weight.is_require_grad() {
            for (tokens, factor) in &chain.embedded {
                let rows = if *factor == 1.0 { grad.clone() } else { grad.clone() * *factor };
                gradients.add_rows(EMBEDDING, weight.dims(), tokens, rows);
            }
        }
        Ok(())
    }
}

const CUT: ModelError = ModelError::Weights { reason: "a layer passes no gradient on" };

fn leaf(x: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(x).require_grad()
}
