//! [`RewardLoss`] over the rows of a step, for trainers.

use super::RewardLoss;
use crate::objective::Pairs;
use crate::stable::pick;
use burn::tensor::Tensor;
use refire_core::{BoxError, Stateful};
use refire_objective::{Counts, Loss, ObjectiveError, Scope, Targets, ValueObjective};

const NAME: &str = "reward";

impl Stateful for RewardLoss {}

/// Scores are values `[rows, 1]`; rows of a pair share their group, the chosen one has label 1. The
/// chosen row's margin counts.
impl ValueObjective for RewardLoss {
    fn name(&self) -> &'static str {
        NAME
    }

    fn scope(&self) -> Scope {
        Scope::Group
    }

    fn loss(
        &self,
        values: &Tensor<2>,
        targets: &Targets,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let [rows, width] = values.dims();
        if width != 1 {
            let (found, expected) = (vec![rows, width], vec![rows, 1]);
            let what = "scores";
            return Err(ObjectiveError::Shape { what, found, expected }.into());
        }
        let missing = ObjectiveError::MissingColumn { objective: NAME, column: "labels" };
        let pairs = Pairs::from_labels(&targets.groups, targets.labels.as_ref().ok_or(missing)?)?;
        let scores = values.clone().flatten::<1>(0, 1);
        let margins = targets.margins.as_ref();
        let margins: Option<Vec<f64>> =
            margins.map(|all| pairs.chosen.iter().map(|row| all[*row]).collect());
        let (chosen, rejected) = (pick(&scores, &pairs.chosen), pick(&scores, &pairs.rejected));
        Ok(self.loss(chosen, rejected, margins.as_deref(), counts.rows / 2.0)?)
    }
}
