use super::TagGrammar;
use crate::RewardError;
use refire_core::{BoxError, Reward, Score, Scored};
use serde::{Deserialize, Serialize};

/// Settings of [`FormatReward`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FormatConfig {
    /// The format.
    pub grammar: TagGrammar,
    /// Reward of a reply that matches.
    pub matches: f64,
    /// Reward of every other reply.
    pub differs: f64,
    /// What the prompt already wrote of the reply, such as `<think>`; the reply is read as if it
    /// began with it.
    pub prefix: String,
}

impl Default for FormatConfig {
    /// `<think>…</think><answer>…</answer>` for 1, as open-r1's `format_reward`.
    fn default() -> Self {
        let grammar = TagGrammar::think_answer();
        Self { grammar, matches: 1.0, differs: 0.0, prefix: String::new() }
    }
}

impl FormatConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<RewardError> {
        let finite = "a finite number";
        let mut problems = self.grammar.validate();
        problems.extend(RewardError::unless(
            self.matches.is_finite(),
            "matches",
            self.matches,
            finite,
        ));
        problems.extend(RewardError::unless(
            self.differs.is_finite(),
            "differs",
            self.differs,
            finite,
        ));
        problems
    }
}

/// Whether a reply has its tags: each in its order, as often as it should be, nothing else outside.
///
/// The text of a completion is cut before stop texts: don't stop at the last closing tag.
///
/// ```
/// use refire_reward::{FormatConfig, FormatReward};
/// let reward = FormatReward::new(FormatConfig::default())?;
/// assert_eq!(reward.value("<think>easy</think> <answer>2</answer>"), 1.0);
/// assert_eq!(reward.value("<think>easy</think> <answer>2</answer> or 3"), 0.0);
/// # Ok::<(), refire_reward::RewardError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FormatReward {
    config: FormatConfig,
}

impl FormatReward {
    /// The reward.
    ///
    /// # Errors
    /// When [`FormatConfig::validate`] finds a problem.
    pub fn new(config: FormatConfig) -> Result<Self, RewardError> {
        RewardError::collect("format", config.validate())?;
        Ok(Self { config })
    }

    /// The reward of one text.
    pub fn value(&self, text: &str) -> f64 {
        let FormatConfig { grammar, matches, differs, prefix } = &self.config;
        let fits = if prefix.is_empty() {
            grammar.parse(text).is_ok()
        } else {
            grammar.parse(&format!("{prefix}{text}")).is_ok()
        };
        if fits { *matches } else { *differs }
    }
}

impl Reward for FormatReward {
    fn name(&self) -> &str {
        "format"
    }

    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        Ok(items.iter().map(|item| Score::value(self.value(&item.completion.text))).collect())
    }
}
