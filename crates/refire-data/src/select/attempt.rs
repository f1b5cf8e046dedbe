use super::PassRate;
use refire_core::{Group, Score};
use serde::{Deserialize, Serialize};

/// One answer of a model, and what a verifier says of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The answer.
    pub text: String,
    /// Its length in tokens; 0 if it isn't known, and then characters are compared.
    #[serde(default)]
    pub tokens: usize,
    /// Whether it is right; `None` where that could not be judged.
    #[serde(default)]
    pub correct: Option<bool>,
    /// Its reward, or what an evaluator says.
    #[serde(default)]
    pub reward: Option<f64>,
}

impl Attempt {
    /// Length in tokens, or in characters where tokens aren't known.
    pub fn length(&self) -> usize {
        if self.tokens > 0 { self.tokens } else { self.text.chars().count() }
    }
}

/// All answers to one question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attempts {
    /// Identity of the question.
    pub id: u64,
    /// The question.
    pub prompt: String,
    /// The answers, in sample order.
    pub attempts: Vec<Attempt>,
}

/// When a score is a success. Accuracy decides, not a shaped total: a reward for brevity makes no
/// answer right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Success {
    /// The part of the score that says it; `None` takes the total.
    pub part: Option<String>,
    /// From this value on.
    pub at_least: f64,
}

impl Default for Success {
    fn default() -> Self {
        Self { part: None, at_least: 0.5 }
    }
}

impl Success {
    /// Whether a score is a success; `None` for one without a value.
    pub fn of(&self, score: &Score) -> Option<bool> {
        let value = match &self.part {
            Some(part) => score.part(part),
            None => score.total(),
        };
        value.filter(|value| !value.is_nan()).map(|value| value >= self.at_least)
    }

    /// Successes among scores; those without a value don't count.
    pub fn rate(&self, scores: &[Score]) -> PassRate {
        let judged = scores.iter().filter_map(|score| self.of(score));
        judged.fold(PassRate::default(), |rate, right| PassRate {
            correct: rate.correct + usize::from(right),
            judged: rate.judged + 1,
        })
    }
}

impl Attempts {
    /// The answers of a rollout group; scores without a value leave `correct` open.
    ///
    /// ```
    /// use refire_core::{Group, Request, Score};
    /// use refire_data::{Attempts, Success};
    /// let group = Group { request: Request::default(), completions: Vec::new() };
    /// assert!(Attempts::from_group(&group, &[] as &[Score], &Success::default()).attempts.is_empty());
    /// ```
    pub fn from_group(group: &Group, scores: &[Score], success: &Success) -> Self {
        let attempts = group.completions.iter().enumerate().map(|(index, completion)| {
            let score = scores.get(index);
            Attempt {
                text: completion.text.clone(),
                tokens: completion.len(),
                correct: score.and_then(|score| success.of(score)),
                reward: score.and_then(Score::total),
            }
        });
        let prompt = &group.request.prompt;
        Self { id: prompt.id, prompt: prompt.text.clone(), attempts: attempts.collect() }
    }

    /// How many of the judged answers are right.
    pub fn pass_rate(&self) -> PassRate {
        let judged = self.attempts.iter().filter_map(|attempt| attempt.correct);
        judged.fold(PassRate::default(), |rate, right| PassRate {
            correct: rate.correct + usize::from(right),
            judged: rate.judged + 1,
        })
    }

    pub(crate) fn right(&self) -> Vec<&Attempt> {
        self.attempts.iter().filter(|attempt| attempt.correct == Some(true)).collect()
    }

    pub(crate) fn wrong(&self) -> Vec<&Attempt> {
        self.attempts.iter().filter(|attempt| attempt.correct == Some(false)).collect()
    }
}
