use crate::{Advantages, Completion, CoreError, Group, Prompt, Ragged, Score};

/// Per-token host columns of a step; each is present only if somebody asked for it.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Log-probabilities under the weights the step starts from.
    pub old_logprobs: Option<Ragged>,
    /// Log-probabilities under the frozen reference.
    pub ref_logprobs: Option<Ragged>,
    /// Values of a critic.
    pub values: Option<Ragged>,
    /// Entropies, in nats.
    pub entropy: Option<Ragged>,
    /// Sums of squared probabilities.
    pub sum_sq: Option<Ragged>,
    /// Reward of each group's greedy completion; `None` in it where that has no score.
    pub greedy_rewards: Option<Vec<Option<f64>>>,
}

/// All a step knows between its rewards and its update: completions, scores and columns.
///
/// Rows are completions, group after group; `scores`, `mask` and every column follow that order.
/// `mask` is the loss mask in force, which may be narrower than the completions' own (overlong
/// completions are masked out, say).
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    /// Optimiser step this is for, from 0.
    pub step: u64,
    /// Groups of completions.
    pub groups: &'a [Group],
    /// One score per row.
    pub scores: &'a [Score],
    /// One mask per row, as long as the completion.
    pub mask: &'a [Vec<bool>],
    /// Columns that were asked for.
    pub columns: &'a Columns,
    /// Known once the advantage has run.
    pub advantages: Option<&'a Advantages>,
}

impl<'a> StepView<'a> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|g| g.completions.len()).sum()
    }

    /// Rows in order: group index, prompt, completion.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'a Prompt, &'a Completion)> + use<'a> {
        self.groups.iter().enumerate().flat_map(|(index, group)| {
            group.completions.iter().map(move |c| (index, &group.request.prompt, c))
        })
    }

    /// Row ranges of the groups, in order.
    pub fn group_rows(&self) -> Vec<std::ops::Range<usize>> {
        let mut start = 0;
        let ranges = self.groups.iter().map(|group| {
            let range = start..start + group.completions.len();
            start = range.end;
            range
        });
        ranges.collect()
    }

    /// One reward per row; `None` where there is no score.
    pub fn rewards(&self) -> Vec<Option<f64>> {
        self.scores.iter().map(Score::total).collect()
    }

    /// Checks that scores, masks and columns fit the groups.
    ///
    /// # Errors
    /// Names what doesn't fit.
    pub fn validate(&self) -> Result<(), CoreError> {
        let expected = self.rows();
        let count = |what, found| {
            if found == expected { Ok(()) } else { Err(CoreError::Count { what, found, expected }) }
        };
        count("scores of a step", self.scores.len())?;
        count("masks of a step", self.mask.len())?;
        for ((_, _, completion), mask) in self.iter().zip(self.mask) {
            if mask.len() != completion.len() {
                let (found, tokens) = (mask.len(), completion.len());
                return Err(CoreError::ColumnLength { column: "mask", found, tokens });
            }
        }
        let columns = [
            ("old_logprobs", &self.columns.old_logprobs),
            ("ref_logprobs", &self.columns.ref_logprobs),
            ("values", &self.columns.values),
            ("entropy", &self.columns.entropy),
            ("sum_sq", &self.columns.sum_sq),
        ];
        for (column, ragged) in columns {
            let Some(ragged) = ragged else { continue };
            count(column, ragged.rows())?;
            for ((_, _, completion), row) in self.iter().zip(ragged.iter()) {
                if row.len() != completion.len() {
                    let (found, tokens) = (row.len(), completion.len());
                    return Err(CoreError::ColumnLength { column, found, tokens });
                }
            }
        }
        Ok(())
    }
}
