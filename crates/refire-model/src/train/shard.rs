use super::forward::Plan;
use super::gradients::GradientSum;
use crate::{Decoder, Routing};
use burn::module::Module;
use burn::tensor::Tensor;
use refire_core::BoxError;
use refire_objective::head::{Head, HeadGrads, HeadInput};

/// Some rows of a batch on their way through the network, with weights that are leaves of a graph
/// of their own: graphs that share leaves can't run at once.
pub(super) struct Shard<'a> {
    pub(super) plan: &'a Plan,
    pub(super) decoder: Decoder,
    pub(super) hidden: Tensor<2>,
    routing: Option<Routing>,
    /// What is added to the objective: this shard's part of the loss that balances experts.
    auxiliary: Option<Tensor<1>>,
}

impl<'a> Shard<'a> {
    pub(super) fn forward(plan: &'a Plan, weights: &Decoder) -> Result<Self, BoxError> {
        let decoder = weights.clone().train();
        let (hidden, routing) = plan.hidden_and_routing(&decoder)?;
        Ok(Self { plan, decoder, hidden, routing, auxiliary: None })
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
            shard.auxiliary = Some(loss.clone() * coefficient);
            Some(loss.inner())
        });
        parts.reduce(|a, b| a + b)
    }

    /// The head over detached hidden states.
    pub(super) fn head(&self, reference: Option<&HeadInput>) -> Head<'_> {
        self.plan.head(self.hidden.clone(), &self.decoder, reference)
    }

    /// Whether the head's weight is trained.
    pub(super) fn trains_head(&self) -> bool {
        self.decoder.head_weight().is_require_grad()
    }

    /// Backward through the body from the head's gradients.
    pub(super) fn backward((shard, head): (Self, HeadGrads)) -> GradientSum {
        let surrogate = (shard.hidden.clone() * Tensor::from_inner(head.hidden)).sum();
        let surrogate = match &shard.auxiliary {
            Some(auxiliary) => surrogate + auxiliary.clone(),
            None => surrogate,
        };
        let mut gradients = shard.gradients(surrogate);
        if let Some(weight) = head.weight {
            gradients.add(shard.decoder.head_path(), weight.flatten(0, 1));
        }
        gradients
    }

    /// Gradients of all parameters by one backward pass.
    pub(super) fn gradients(&self, surrogate: Tensor<1>) -> GradientSum {
        let mut gradients = GradientSum::default();
        gradients.add_all(&self.decoder, &surrogate.backward());
        gradients
    }
}
