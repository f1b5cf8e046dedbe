use crate::CoreError;

/// Who computed a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The rollout engine, while sampling.
    Engine,
    /// The trainer's own forward pass.
    Trainer,
    /// A frozen reference.
    Reference,
    /// A critic.
    Critic,
    /// Given from outside: recorded data, tests.
    Given,
}

/// Where a column of log-probabilities comes from, so that unlike ones aren't mixed unseen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Provenance {
    /// Who computed it.
    pub source: Source,
    /// Weights version.
    pub version: u64,
    /// Temperature that divided the logits; `None` where rows differ or it has no meaning.
    pub temperature: Option<f32>,
}

/// One value per token for rows of different lengths, stored end to end.
///
/// ```
/// use refire_core::{Provenance, Ragged, Source};
/// let from = Provenance { source: Source::Given, version: 0, temperature: Some(1.0) };
/// let column = Ragged::from_rows([vec![-0.1, -0.2], vec![-0.3]], from);
/// assert_eq!(column.row(1), [-0.3]);
/// assert_eq!((column.rows(), column.len()), (2, 3));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ragged {
    values: Vec<f32>,
    ends: Vec<usize>,
    provenance: Provenance,
}

impl Ragged {
    /// Joins rows.
    pub fn from_rows<R: AsRef<[f32]>>(
        rows: impl IntoIterator<Item = R>,
        provenance: Provenance,
    ) -> Self {
        let (mut values, mut ends) = (Vec::new(), Vec::new());
        for row in rows {
            values.extend_from_slice(row.as_ref());
            ends.push(values.len());
        }
        Self { values, ends, provenance }
    }

    /// Splits a flat column into rows of the given lengths.
    ///
    /// # Errors
    /// When the lengths don't add up to the number of values.
    pub fn from_flat(
        values: Vec<f32>,
        lengths: impl IntoIterator<Item = usize>,
        provenance: Provenance,
    ) -> Result<Self, CoreError> {
        let mut total = 0;
        let ends: Vec<usize> = lengths
            .into_iter()
            .map(|n| {
                total += n;
                total
            })
            .collect();
        if total != values.len() {
            let what = "values of a column";
            return Err(CoreError::Count { what, found: values.len(), expected: total });
        }
        Ok(Self { values, ends, provenance })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Number of values in all rows.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True if there is no value.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values of one row; empty for a row that doesn't exist.
    pub fn row(&self, row: usize) -> &[f32] {
        let start = if row == 0 { 0 } else { self.ends.get(row - 1).copied().unwrap_or(0) };
        self.ends.get(row).map_or(&[], |end| &self.values[start..*end])
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.rows()).map(|row| self.row(row))
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Where it comes from.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }
}
