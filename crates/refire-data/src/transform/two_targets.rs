use crate::{Content, Example, Record};
use refire_core::{Message, Role};

/// Two examples of one question.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoTargets {
    /// The answer itself.
    pub solution: Record,
    /// Why it is so.
    pub rationale: Record,
}

/// MORepair's two objectives (Yang et al., arXiv 2404.12636): a question with its answer, and the
/// same question, asked by `instruction` for the reason, with the rationale. Both losses are added,
/// the second with the weight that stands in its extra column `loss_weight`. `None` for records that
/// are no prompt–completion.
///
/// ```
/// use refire_data::{Example, Record, two_targets};
/// let record = Record::new(Example::PromptCompletion { prompt: "fix: a ++ b".into(), completion: "a + b".into() });
/// let two = two_targets(&record, "`++` is no operator here", "Why?", 1.0).unwrap();
/// assert_eq!(two.rationale.example.prompt_text().unwrap(), "fix: a ++ b\n\nWhy?");
/// ```
pub fn two_targets(
    record: &Record,
    rationale: &str,
    instruction: &str,
    weight: f64,
) -> Option<TwoTargets> {
    let Example::PromptCompletion { prompt, .. } = &record.example else { return None };
    let (prompt, completion) = match prompt {
        Content::Text(text) => {
            (Content::Text(format!("{text}\n\n{instruction}")), Content::Text(rationale.to_owned()))
        }
        Content::Messages(messages) => {
            let mut messages = messages.clone();
            match messages.last_mut().filter(|last| last.role == Role::User) {
                Some(last) => last.content = format!("{}\n\n{instruction}", last.content),
                None => messages.push(Message::new(Role::User, instruction)),
            }
            (messages.into(), vec![Message::new(Role::Assistant, rationale)].into())
        }
    };
    let example = Example::PromptCompletion { prompt, completion };
    let mut second = record.derive(example, "two targets: rationale");
    second.extra.insert("loss_weight".to_owned(), weight.into());
    Some(TwoTargets { solution: record.clone(), rationale: second })
}
