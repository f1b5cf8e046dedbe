use refire_core::BoxError;
use thiserror::Error;

/// What can be wrong with a reward: its configuration, or an implementation that breaks its
/// contract. A completion never causes an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RewardError {
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
    /// A configuration with at least one problem.
    #[error("configuration of reward `{reward}`: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config {
        /// Name of the reward.
        reward: String,
        /// Every problem found.
        problems: Vec<Self>,
    },
    /// A reward failed as a whole.
    #[error("reward `{reward}` failed: {source}")]
    Member {
        /// Name of the reward.
        reward: String,
        /// Its error.
        #[source]
        source: BoxError,
    },
    /// Not one score per item.
    #[error("reward `{reward}` gave {found} scores for {expected} completions")]
    Count {
        /// Name of the reward.
        reward: String,
        /// Scores given.
        found: usize,
        /// Completions.
        expected: usize,
    },
    /// A value that is NaN or infinite.
    #[error("reward `{reward}`, row {row}: {what} is {value}, expected a finite number")]
    NotFinite {
        /// Name of the reward.
        reward: String,
        /// Index of the completion.
        row: usize,
        /// Which value: the total, a part, a token.
        what: String,
        /// The value.
        value: f64,
    },
    /// Rewards of single tokens that don't fit the completion.
    #[error("reward `{reward}`, row {row}: {found} token rewards for {tokens} tokens")]
    PerToken {
        /// Name of the reward.
        reward: String,
        /// Index of the completion.
        row: usize,
        /// Token rewards given.
        found: usize,
        /// Tokens of the completion.
        tokens: usize,
    },
    /// A score that is not the one the contract asks for.
    #[error("reward `{reward}`, row {row}: {rule}; {first} against {second}")]
    Conformance {
        /// Name of the reward.
        reward: String,
        /// Index of the completion.
        row: usize,
        /// The rule that was broken.
        rule: &'static str,
        /// One score.
        first: String,
        /// The other score.
        second: String,
    },
}

impl RewardError {
    /// One error for all problems, or none.
    pub(crate) fn collect(reward: &str, problems: Vec<Self>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self::Config { reward: reward.to_owned(), problems })
        }
    }

    /// The problem, if `value` isn't in its range.
    pub(crate) fn unless(
        in_range: bool,
        field: &'static str,
        value: impl ToString,
        expected: &'static str,
    ) -> Option<Self> {
        (!in_range).then(|| Self::OutOfRange { field, value: value.to_string(), expected })
    }
}
