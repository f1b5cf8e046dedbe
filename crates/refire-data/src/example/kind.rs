use super::Content;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The kinds of record, with TRL's names for their columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// `prompt`.
    PromptOnly,
    /// `text` or `messages`.
    LanguageModelling,
    /// `chosen`, `rejected`, whose common beginning is the prompt.
    ImplicitPreference,
    /// `prompt`, `completion`.
    PromptCompletion,
    /// `prompt`, `answer` (or `ground_truth`), and optionally `verifier`.
    Verifiable,
    /// `prompt`, `completion`, `label`.
    Unpaired,
    /// `prompt`, `chosen`, `rejected`.
    Preference,
    /// `prompt`, `completions`, `labels`.
    Stepwise,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::PromptOnly,
        Self::LanguageModelling,
        Self::ImplicitPreference,
        Self::PromptCompletion,
        Self::Verifiable,
        Self::Unpaired,
        Self::Preference,
        Self::Stepwise,
    ];

    /// Its name in words, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::PromptOnly => "prompt-only",
            Self::LanguageModelling => "language-modelling",
            Self::ImplicitPreference => "implicit preference",
            Self::PromptCompletion => "prompt-completion",
            Self::Verifiable => "verifiable",
            Self::Unpaired => "unpaired preference",
            Self::Preference => "preference",
            Self::Stepwise => "stepwise",
        }
    }
}

/// One training example.
///
/// ```
/// use refire_data::{Example, Kind};
/// let example = Example::PromptCompletion { prompt: "2 + 3 = ".into(), completion: "5".into() };
/// assert_eq!(example.kind(), Kind::PromptCompletion);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Example {
    /// A whole text or chat.
    LanguageModelling {
        /// All of it.
        content: Content,
    },
    /// Something to be answered.
    PromptOnly {
        /// The question.
        prompt: Content,
    },
    /// A question with its answer.
    PromptCompletion {
        /// The question.
        prompt: Content,
        /// The answer.
        completion: Content,
    },
    /// A better and a worse answer to a question.
    Preference {
        /// The question.
        prompt: Content,
        /// The better answer.
        chosen: Content,
        /// The worse answer.
        rejected: Content,
    },
    /// A better and a worse text that begin with the same question.
    ImplicitPreference {
        /// The better text.
        chosen: Content,
        /// The worse text.
        rejected: Content,
    },
    /// An answer, and whether it is a good one.
    Unpaired {
        /// The question.
        prompt: Content,
        /// The answer.
        completion: Content,
        /// True for a good answer.
        label: bool,
    },
    /// An answer in steps, each right or wrong.
    Stepwise {
        /// The question.
        prompt: String,
        /// The steps.
        completions: Vec<String>,
        /// One label a step.
        labels: Vec<bool>,
    },
    /// A question whose answers can be verified.
    Verifiable {
        /// The question.
        prompt: Content,
        /// The reference answer.
        answer: String,
        /// Name of the verifier or data source; empty if the record doesn't say.
        #[serde(default)]
        verifier: String,
    },
}

impl Example {
    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::LanguageModelling { .. } => Kind::LanguageModelling,
            Self::PromptOnly { .. } => Kind::PromptOnly,
            Self::PromptCompletion { .. } => Kind::PromptCompletion,
            Self::Preference { .. } => Kind::Preference,
            Self::ImplicitPreference { .. } => Kind::ImplicitPreference,
            Self::Unpaired { .. } => Kind::Unpaired,
            Self::Stepwise { .. } => Kind::Stepwise,
            Self::Verifiable { .. } => Kind::Verifiable,
        }
    }

    /// What is asked, as text; `None` where the prompt isn't apart.
    pub fn prompt_text(&self) -> Option<String> {
        match self {
            Self::LanguageModelling { .. } | Self::ImplicitPreference { .. } => None,
            Self::Stepwise { prompt, .. } => Some(prompt.clone()),
            Self::PromptOnly { prompt }
            | Self::PromptCompletion { prompt, .. }
            | Self::Preference { prompt, .. }
            | Self::Unpaired { prompt, .. }
            | Self::Verifiable { prompt, .. } => Some(prompt.text().into_owned()),
        }
    }

    /// What a model is to say, as text; the better one of a preference. `None` where there is
    /// none, or where it isn't apart from the prompt.
    pub fn response_text(&self) -> Option<String> {
        match self {
            Self::LanguageModelling { .. }
            | Self::PromptOnly { .. }
            | Self::ImplicitPreference { .. }
            | Self::Verifiable { .. } => None,
            Self::PromptCompletion { completion, .. } | Self::Unpaired { completion, .. } => {
                Some(completion.text().into_owned())
            }
            Self::Preference { chosen, .. } => Some(chosen.text().into_owned()),
            Self::Stepwise { completions, .. } => Some(completions.concat()),
        }
    }

    /// All that is said, one part a line: what filters and duplicate search read.
    pub fn full_text(&self) -> String {
        self.parts().into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
    }

    /// All that is said, part by part, with the names of the parts.
    pub(crate) fn parts(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let (question, answer) = ("prompt", "response");
        match self {
            Self::LanguageModelling { content } => vec![("text", content.text())],
            Self::PromptOnly { prompt } | Self::Verifiable { prompt, .. } => {
                vec![(question, prompt.text())]
            }
            Self::PromptCompletion { prompt, completion }
            | Self::Unpaired { prompt, completion, .. } => {
                vec![(question, prompt.text()), (answer, completion.text())]
            }
            Self::Preference { prompt, chosen, rejected } => vec![
                (question, prompt.text()),
                (answer, chosen.text()),
                ("rejected response", rejected.text()),
            ],
            Self::ImplicitPreference { chosen, rejected } => {
                vec![("chosen text", chosen.text()), ("rejected text", rejected.text())]
            }
            Self::Stepwise { prompt, completions, .. } => {
                vec![(question, prompt.into()), (answer, completions.concat().into())]
            }
        }
    }

    /// Bytes of all that is said.
    pub(crate) fn bytes(&self) -> usize {
        self.parts().iter().map(|(_, text)| text.len()).sum()
    }
}
