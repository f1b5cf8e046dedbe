use super::groups::grouped;
use super::pairs::Pairs;
use crate::DpoError;
use refire_core::{BoxError, Ragged, StepView};

/// One row of a step, as a preference objective sees it beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepRow {
    /// Its group; rows of a pair share it.
    pub group: usize,
    /// Its label or reward. `None`: it isn't trained on, and serves KTO's estimate alone.
    pub label: Option<f64>,
    /// Its visible tokens.
    pub tokens: usize,
    /// Its log-probability when the step starts, if it was asked for.
    pub logps: Option<f64>,
    /// Its log-probability under the reference, if it was asked for.
    pub ref_logps: Option<f64>,
}

/// All rows of a step, in the order that `Targets::row_ids` count.
///
/// A trainer hands over a [`StepView`] in which a row's score is its label (1 and 0, or a reward),
/// rows of a pair are one group, and `mask` shows the tokens that count. For KTO it adds to the step
/// *probe rows*: a prompt with the completion of another row, without a score
/// (`Score::Unscorable`), with `old_logprobs` and `ref_logprobs`. Their mask is the completion's own
/// and they are part of no micro-batch. `old_logprobs` are read of probe rows only (KTO), of all
/// others (BCO), or of all (AOT); the trainer may leave others at 0.
///
/// ```
/// use refire_dpo::{PreferenceStep, StepRow};
/// let row = |label| StepRow { label, tokens: 3, ..StepRow::default() };
/// let step = PreferenceStep { rows: vec![row(Some(1.0)), row(Some(0.0)), row(None)] };
/// assert_eq!((step.labelled(), step.chosen_tokens()), (2, 3));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PreferenceStep {
    /// The rows.
    pub rows: Vec<StepRow>,
}

impl PreferenceStep {
    /// The rows of a step.
    ///
    /// # Errors
    /// When the parts of the step don't fit each other.
    pub fn of(step: &StepView<'_>) -> Result<Self, BoxError> {
        step.validate()?;
        let row =
            |(index, (group, _, completion)): (usize, (usize, _, &refire_core::Completion))| {
                let label = step.scores[index].total();
                let mask = if label.is_some() { &step.mask[index] } else { &completion.loss_mask };
                let sum = |column: &Option<Ragged>| {
                    let values = column.as_ref()?.row(index).iter().zip(mask);
                    Some(values.filter(|(_, m)| **m).map(|(v, _)| f64::from(*v)).sum())
                };
                StepRow {
                    group,
                    label,
                    tokens: mask.iter().filter(|m| **m).count(),
                    logps: sum(&step.columns.old_logprobs),
                    ref_logps: sum(&step.columns.ref_logprobs),
                }
            };
        Ok(Self { rows: step.iter().enumerate().map(row).collect() })
    }

    /// Number of rows with a label.
    pub fn labelled(&self) -> usize {
        self.rows.iter().filter(|row| row.label.is_some()).count()
    }

    /// Number of rows with this label.
    pub fn with_label(&self, label: f64) -> usize {
        self.rows.iter().filter(|row| row.label == Some(label)).count()
    }

    /// Visible tokens of all rows with label 1.
    pub fn chosen_tokens(&self) -> usize {
        self.rows.iter().filter(|row| row.label == Some(1.0)).map(|row| row.tokens).sum()
    }

    /// Number of groups with a labelled row.
    pub fn groups(&self) -> usize {
        grouped(&self.labelled_groups()).len()
    }

    fn labelled_groups(&self) -> Vec<usize> {
        self.rows.iter().filter(|row| row.label.is_some()).map(|row| row.group).collect()
    }

    /// Places of the rows with a label, or of those without.
    pub(super) fn places(&self, labelled: bool) -> Vec<usize> {
        (0..self.rows.len()).filter(|row| self.rows[*row].label.is_some() == labelled).collect()
    }

    /// Log-probabilities of policy and reference of the rows at these places.
    pub(super) fn logps(
        &self,
        objective: &'static str,
        places: &[usize],
    ) -> Result<(Vec<f64>, Vec<f64>), DpoError> {
        let rows = || places.iter().map(|place| &self.rows[*place]);
        let column = |read: fn(&StepRow) -> Option<f64>, column: &'static str| {
            let missing = || refire_objective::ObjectiveError::MissingColumn { objective, column };
            rows().map(|row| read(row).ok_or_else(missing)).collect::<Result<Vec<_>, _>>()
        };
        Ok((column(|row| row.logps, "old_logprobs")?, column(|row| row.ref_logps, "ref_logprobs")?))
    }

    /// The pairs among the labelled rows, as places among all.
    pub(super) fn pairs(&self) -> Result<Pairs, DpoError> {
        let places = self.places(true);
        let labels: Vec<f64> = self.rows.iter().filter_map(|row| row.label).collect();
        let pairs = Pairs::from_labels(&self.labelled_groups(), &labels)?;
        let among_all = |of: Vec<usize>| of.into_iter().map(|at| places[at]).collect();
        Ok(Pairs { chosen: among_all(pairs.chosen), rejected: among_all(pairs.rejected) })
    }
}
