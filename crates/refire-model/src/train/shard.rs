use super::chain::{Balance, Chain};
use super::forward::Plan;
use super::gradients::GradientSum;
use crate::{Decoder, ModelError, Routing};
use burn::module::Module;
use burn::tensor::Tensor;
use refire_core::BoxError;
use refire_objective::head::{Head, HeadGrads, HeadInput};

/// Some rows of a batch on their way through the network, with weights that are leaves of graphs
/// of their own: graphs that share leaves can't run at once.
pub(super) struct Shard<'a> {
    pub(super) plan: &'a Plan,
    pub(super) decoder: Decoder,
    /// At the targets, without graph.
    pub(super) hidden: Tensor<2>,
    chain: Chain,
    routing: Option<Routing>,
    balance: Option<Balance>,
}

impl<'a> Shard<'a> {
    pub(super) fn forward(
        plan: &'a Plan,
        weights: &Decoder,
        recompute: bool,
    ) -> Result<Self, BoxError> {
        let decoder = weights.clone().train();
        let (chain, routing) = plan.chain(&decoder, recompute)?;
        let hidden = plan.at_targets(chain.hidden());
        Ok(Self { plan, decoder, hidden, chain, routing, balance: None })
    }

    /// Adds the loss that balances experts over the whole batch to its shards' objectives, and
    /// gives its value; nothing where there are no experts.
    pub(super) fn balance(shards: &mut [Self], coefficient: f64) -> Option<Tensor<1>> {
        let routings = shards.iter().filter_map(|shard| shard.routing.as_ref());
        let tokens = routings.clone().map(|routing| routing.tokens).sum();
        let counts = routings.map(|routing| routing.counts.clone());
        let add = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let counts: Vec<f64> = counts.reduce(add)?;
        let parts = shards.iter_mut().filter_map(|shard| {
            let loss = shard.routing.take()?.loss_among(&counts, tokens);
            shard.balance = Some(Balance { counts: counts.clone(), tokens, coefficient });
            Some(loss)
        });
        parts.reduce(|a, b| a + b)
    }

    /// The head over the hidden states.
    pub(super) fn head(&self, reference: Option<&HeadInput>) -> Head<'_> {
        self.plan.head(self.hidden.clone(), &self.decoder, reference)
    }

    /// Whether the head's weight is trained.
    pub(super) fn trains_head(&self) -> bool {
        self.decoder.head_weight().is_require_grad()
    }

    /// Gradients of all parameters, from the head's.
    pub(super) fn backward((shard, head): (Self, HeadGrads)) -> Result<GradientSum, ModelError> {
        let mut gradients = GradientSum::default();
        // First: where head and embedding are one, the embedding's part is added to this.
        if let Some(weight) = head.weight {
            gradients.add(shard.decoder.head_path(), weight.flatten(0, 1));
        }
        shard.body(head.hidden, &mut gradients)?;
        Ok(gradients)
    }

    /// Adds the gradients of the body, from that of the hidden states at the targets.
    pub(super) fn body(
        self,
        grad: Tensor<2>,
        gradients: &mut GradientSum,
    ) -> Result<(), ModelError> {
        let grad = self.plan.spread_targets(grad);
        self.chain.backward(grad, self.balance.as_ref(), gradients)
    }
}
