use super::chain::{Balance, CUT, Chain};
use super::forward::{Draws, Plan};
use super::gradients::GradientSum;
use crate::{Decoder, ModelError, Routing};
use burn::module::Module;
use burn::tensor::Tensor;
use refire_core::BoxError;
use refire_kernels::seed;
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
    /// Memory counts for more than time.
    recompute: bool,
}

impl<'a> Shard<'a> {
    pub(super) fn forward(
        plan: &'a Plan,
        weights: &Decoder,
        draws: &Draws,
        recompute: bool,
    ) -> Result<Self, BoxError> {
        let decoder = plan.dropping(weights.clone().train(), draws);
        let (chain, routing) = plan.chain(&decoder, recompute)?;
        let hidden = plan.at_targets(chain.hidden());
        Ok(Self { plan, decoder, hidden, chain, routing, balance: None, recompute })
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
        let decoder = self.decoder.valid();
        let head = self.plan.head(decoder.head_input(self.hidden.clone()), &decoder, reference);
        // Where activations are made again, a chunk of logits is most of what is left.
        let shares = if self.recompute { 2 } else { 1 };
        Head { chunk_rows: head.chunk_rows.div_ceil(shares), ..head }
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
        if let Some(thin) = head.thin {
            gradients.add("lm_head.lora.b", thin.flatten(0, 1));
        }
        let grad = shard.through_adapter(head.hidden, &mut gradients)?;
        shard.body(grad, &mut gradients)?;
        Ok(gradients)
    }

    /// From the gradient of what the head reads to that of the hidden states; adds that of the
    /// first matrix of an adapter on the head.
    fn through_adapter(
        &self,
        grad: Tensor<2>,
        gradients: &mut GradientSum,
    ) -> Result<Tensor<2>, ModelError> {
        let Some(head) = self.decoder.lm_head.as_ref().filter(|head| head.lora.is_some()) else {
            return Ok(grad);
        };
        let hidden = Tensor::from_inner(self.hidden.clone()).require_grad();
        let grads = seed(self.decoder.head_input(hidden.clone()), grad).backward();
        gradients.add_all("lm_head", head, &grads);
        hidden.grad(&grads).ok_or(CUT)
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
