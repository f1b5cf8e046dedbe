use super::forward::Plan;
use super::gradients::GradientSum;
use crate::Decoder;
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
}

impl<'a> Shard<'a> {
    pub(super) fn forward(plan: &'a Plan, weights: &Decoder) -> Result<Self, BoxError> {
        let decoder = weights.clone().train();
        let hidden = plan.hidden(&decoder)?;
        Ok(Self { plan, decoder, hidden })
    }

    /// The head over detached hidden states.
    pub(super) fn head(&self, reference: Option<&HeadInput>) -> Head<'_> {
        self.plan.head(self.hidden.clone(), &self.decoder, reference)
    }

    /// Backward through the body from the head's gradients.
    pub(super) fn backward((shard, head): (Self, HeadGrads)) -> GradientSum {
        let surrogate = (shard.hidden.clone() * Tensor::from_inner(head.hidden)).sum();
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
