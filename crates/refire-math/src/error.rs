use thiserror::Error;

/// What can be wrong with a [`Profile`](crate::Profile). Answers never cause an error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MathError {
    /// A field is out of its range.
    #[error("`{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The value found, as text.
        value: String,
        /// The permitted range, in words.
        expected: &'static str,
    },
    /// A profile has at least one problem.
    #[error("the profile has {} problem(s): {}", problems.len(), list(problems))]
    Profile {
        /// Every problem found.
        problems: Vec<Self>,
    },
}

fn list(problems: &[MathError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
