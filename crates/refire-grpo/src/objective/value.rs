//! [`ValueLoss`] for trainers with a critic.

use crate::loss::ValueLoss;
use burn::tensor::Tensor;
use refire_core::{BoxError, Stateful};
use refire_objective::{Aggregation, Counts, Loss, Scope, Targets, ValueObjective};

impl Stateful for ValueLoss {}

impl ValueObjective for ValueLoss {
    fn name(&self) -> &'static str {
        "value_loss"
    }

    fn scope(&self) -> Scope {
        match self.config().aggregation {
            Aggregation::SeqMeanTokenMean { .. } => Scope::Row,
            Aggregation::TokenMeanLocal => Scope::Group,
            _ => Scope::Token,
        }
    }

    fn loss(
        &self,
        values: &Tensor<2>,
        targets: &Targets,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        Ok(self.loss(values.clone(), targets, counts)?)
    }
}
