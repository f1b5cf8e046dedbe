use serde::{Deserialize, Serialize};

/// Budget forcing (s1, Muennighoff et al. 2025): holds thinking between two lengths.
///
/// - When the policy draws one of `ends` while it thinks, and `waits` are left, that token is not
///   taken: `wait` stands in its place ("Wait"), and thinking goes on.
/// - When `budget` tokens of thinking are there, `answer` is written ("Final Answer:", after the
///   end of thinking in the model's own form), and thinking is over.
///
/// Thinking begins with the completion and is over after a token of `ends` was taken or `answer`
/// written. What is written is the environment's: mask `false`, log-probability 0, counted by
/// `max_tokens`, and a turn of its own. What leaves no room for another token isn't written.
///
/// ```
/// use refire_core::BudgetForcing;
/// let forcing = BudgetForcing { ends: vec![7], wait: vec![40, 41], waits: 2, ..Default::default() };
/// assert!(forcing.problem().is_none());
/// assert!(BudgetForcing { waits: 1, ..Default::default() }.problem().is_some());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetForcing {
    /// Tokens that end thinking: a delimiter such as `</think>`, or the end tokens themselves.
    pub ends: Vec<u32>,
    /// What stands in the place of an end, "Wait".
    pub wait: Vec<u32>,
    /// How often an end is turned away.
    pub waits: usize,
    /// Most tokens of thinking; unlimited if not given.
    pub budget: Option<usize>,
    /// What ends thinking at the budget.
    pub answer: Vec<u32>,
}

impl BudgetForcing {
    /// What contradicts itself, if anything does.
    pub fn problem(&self) -> Option<&'static str> {
        if self.ends.is_empty() && self.waits > 0 {
            return Some("`waits` need `ends` to turn away");
        }
        if self.wait.is_empty() && self.waits > 0 {
            return Some("`waits` need a text `wait`");
        }
        if self.answer.is_empty() && self.budget.is_some() {
            return Some("a `budget` needs an `answer` to write");
        }
        (self.budget == Some(0)).then_some("a `budget` of 0 leaves no thinking")
    }
}
