use thiserror::Error;

/// What can be wrong with a batch, a query or an objective's inputs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// A column that an objective reads is absent.
    #[error("the objective `{objective}` needs the column `{column}`, which was not computed")]
    MissingColumn {
        /// The objective.
        objective: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A batch that contradicts itself.
    #[error("batch: {what} is {found}, must be below {limit}")]
    Index {
        /// What is out of range.
        what: &'static str,
        /// The value found.
        found: usize,
        /// One past the largest permitted.
        limit: usize,
    },
    /// A target without context: the first token of a segment without parent.
    #[error("batch: target {target} is the first token of segment {segment}, which has no parent")]
    NoContext {
        /// Index of the target.
        target: usize,
        /// Its segment.
        segment: usize,
    },
    /// Lists that must be equally long are not.
    #[error("{what}: {found} entries, expected {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// Entries found.
        found: usize,
        /// Entries expected.
        expected: usize,
    },
    /// Tensor shapes that don't fit each other.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Name of the tensor.
        what: &'static str,
        /// Shape found.
        found: Vec<usize>,
        /// Shape expected.
        expected: Vec<usize>,
    },
    /// A statistic that can't be computed here.
    #[error("the statistic `{statistic}` is not available: {reason}")]
    Unavailable {
        /// The statistic.
        statistic: &'static str,
        /// Why.
        reason: String,
    },
    /// A configuration value out of its range.
    #[error("`{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The value found, as text.
        value: String,
        /// The permitted range, in words.
        expected: &'static str,
    },
    /// The loss or a gradient is not a finite number.
    #[error("{what} is {value}; the update was not made")]
    NotFinite {
        /// What was computed.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// The context made by `prepare` belongs to another objective.
    #[error("the step context doesn't hold what the objective `{objective}` prepared")]
    Context {
        /// The objective.
        objective: &'static str,
    },
}
