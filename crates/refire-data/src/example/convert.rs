//! Conversions between kinds, as TRL's documentation defines them.

use super::{Content, Example, Kind, Record};
use crate::DataError;

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Converted {
    /// One record, or two of a pair.
    Records(Vec<Record>),
    /// The record has nothing to give to that kind: a bad answer is no example to imitate.
    LeftOut(&'static str),
}

impl Record {
    /// This record as another kind.
    ///
    /// - language modelling: prompt and good answer in one; the chosen text of a preference.
    /// - prompt-completion: the good answer.
    /// - prompt-only: the question alone.
    /// - explicit and implicit preference: into each other; the implicit prompt is the longest
    ///   common beginning in characters or messages, less a space that
    ///   ends it (TRL's `extract_prompt`).
    /// - unpaired: both answers of a pair; the steps joined, good if all of them are.
    ///
    /// Answers labelled bad are left out where a good one is wanted.
    ///
    /// ```
    /// use refire_data::{Converted, Example, Kind, Record};
    /// let pair = Record::new(Example::Preference {
    ///     prompt: "2 + 3 = ".into(), chosen: "5".into(), rejected: "6".into(),
    /// });
    /// let Converted::Records(two) = pair.convert(Kind::Unpaired)? else { unreachable!() };
    /// assert_eq!(two.len(), 2);
    /// # Ok::<(), refire_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// When a record of this kind can't become one of that kind.
    pub fn convert(&self, to: Kind) -> Result<Converted, DataError> {
        let from = self.example.kind();
        if from == to {
            return Ok(Converted::Records(vec![self.clone()]));
        }
        let parts = Parts::of(&self.example).ok_or_else(|| impossible(from, to))?;
        let step = format!("convert: {} to {}", from.name(), to.name());
        let one = |example| Converted::Records(vec![self.derive(example, &step)]);
        let Parts { prompt, good, bad } = parts;
        Ok(match (to, good, bad) {
            (Kind::PromptOnly, ..) => one(Example::PromptOnly { prompt }),
            (Kind::LanguageModelling, Some(good), _) => {
                one(Example::LanguageModelling { content: prompt.join(&good)? })
            }
            (Kind::PromptCompletion, Some(good), _) => {
                one(Example::PromptCompletion { prompt, completion: good })
            }
            (Kind::LanguageModelling | Kind::PromptCompletion, None, Some(_)) => {
                Converted::LeftOut("the answer is labelled bad")
            }
            (Kind::Preference, Some(chosen), Some(rejected)) => {
                one(Example::Preference { prompt, chosen, rejected })
            }
            (Kind::ImplicitPreference, Some(good), Some(bad)) => one(Example::ImplicitPreference {
                chosen: prompt.join(&good)?,
                rejected: prompt.join(&bad)?,
            }),
            (Kind::Unpaired, good, bad)
                if from != Kind::PromptCompletion && (good.is_some() || bad.is_some()) =>
            {
                let answers = [(good, true), (bad, false)];
                let records = answers.into_iter().filter_map(|(completion, label)| {
                    let (prompt, completion) = (prompt.clone(), completion?);
                    Some(self.derive(Example::Unpaired { prompt, completion, label }, &step))
                });
                Converted::Records(records.collect())
            }
            _ => return Err(impossible(from, to)),
        })
    }
}

fn impossible(from: Kind, to: Kind) -> DataError {
    let reason = "it doesn't hold what that kind needs".to_owned();
    DataError::Convert { from: from.name(), to: to.name(), reason }
}

/// A question with a good answer, a bad one, or both.
struct Parts {
    prompt: Content,
    good: Option<Content>,
    bad: Option<Content>,
}

impl Parts {
    fn of(example: &Example) -> Option<Self> {
        let labelled = |prompt: Content, answer: Content, label: bool| {
            let (good, bad) = if label { (Some(answer), None) } else { (None, Some(answer)) };
            Self { prompt, good, bad }
        };
        match example.clone() {
            Example::LanguageModelling { .. } | Example::PromptOnly { .. } => None,
            Example::Verifiable { prompt, .. } => Some(Self { prompt, good: None, bad: None }),
            Example::PromptCompletion { prompt, completion } => {
                Some(labelled(prompt, completion, true))
            }
            Example::Unpaired { prompt, completion, label } => {
                Some(labelled(prompt, completion, label))
            }
            Example::Preference { prompt, chosen, rejected } => {
                Some(Self { prompt, good: Some(chosen), bad: Some(rejected) })
            }
            Example::ImplicitPreference { chosen, rejected } => {
                let (prompt, good, bad) = split_prompt(&chosen, &rejected)?;
                Some(Self { prompt, good: Some(good), bad: Some(bad) })
            }
            Example::Stepwise { prompt, completions, labels } => {
                let good = labels.iter().all(|label| *label);
                Some(labelled(prompt.into(), completions.concat().into(), good))
            }
        }
    }
}

/// Splits two texts (or chats) that begin alike into (prompt, rest of the first, rest of the
/// second): the longest common beginning in characters (or messages), less a space that ends it.
/// Follows TRL's `extract_prompt`, but where one is the beginning of the other TRL's loop cuts off
/// too little or fails; here the prompt is the shorter one. `None` when the formats differ.
pub(crate) fn split_prompt(a: &Content, b: &Content) -> Option<(Content, Content, Content)> {
    match (a, b) {
        (Content::Text(a), Content::Text(b)) => {
            let common = a.chars().zip(b.chars()).take_while(|(x, y)| x == y);
            let mut cut: usize = common.map(|(c, _)| c.len_utf8()).sum();
            if a[..cut].ends_with(' ') {
                cut -= 1;
            }
            Some((a[..cut].into(), a[cut..].into(), b[cut..].into()))
        }
        (Content::Messages(a), Content::Messages(b)) => {
            let cut = a.iter().zip(b).take_while(|(x, y)| x == y).count();
            Some((a[..cut].to_vec().into(), a[cut..].to_vec().into(), b[cut..].to_vec().into()))
        }
        _ => None,
    }
}
