use refire_objective::ObjectiveError;
use thiserror::Error;

/// What can be wrong with the inputs and the configuration of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SftError {
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
    /// A configuration with at least one problem.
    #[error("configuration: {}", list(problems))]
    Config {
        /// Every problem found.
        problems: Vec<Self>,
    },
    /// A problem found by the shared tensor numerics.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
}

fn list(problems: &[SftError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
