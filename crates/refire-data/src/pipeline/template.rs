use super::{Passed, Stage};
use crate::{Content, DataError, Example, Record, TemplatePool};
use rayon::prelude::*;
use refire_core::Role;
use serde_json::Value;

/// Words each question by a template drawn from a [`TemplatePool`], and renames its label.
///
/// A template's place `{prompt}` is the question (of a chat, the last message of its user), every
/// other place the extra column of its name. The label is the completion or the reference answer
/// where that is text. Records of other kinds go on as they are and are counted; one that lacks a
/// column is removed.
///
/// ```
/// use refire_data::{Example, Pipeline, Record, TemplatePool, TemplateStage};
/// let names = [("yes".to_owned(), "true".to_owned())].into();
/// let pool = TemplatePool::new(&["{prompt} Is it so?"], 0, vec![names], 0)?;
/// let mut pipeline = Pipeline::new(vec![Box::new(TemplateStage::new(pool, 0))]);
/// let record = Record::new(Example::PromptCompletion {
///     prompt: "Ice is cold.".into(), completion: "yes".into(),
/// });
/// pipeline.run([record], &mut |record| {
///     assert_eq!(record.example.full_text(), "Ice is cold. Is it so?\ntrue");
///     Ok(())
/// })?;
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct TemplateStage {
    pool: TemplatePool,
    visit: u64,
}

impl TemplateStage {
    /// Words records as their `visit`-th epoch has them.
    pub fn new(pool: TemplatePool, visit: u64) -> Self {
        Self { pool, visit }
    }

    /// The prompt and the label in a drawn wording.
    fn word(
        &self,
        record: &Record,
        prompt: &Content,
        label: &str,
    ) -> Result<(Content, String), Worded> {
        let columns: Vec<(&str, String)> = record
            .extra
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), text(value)?)))
            .collect();
        let render = |question: &str| {
            let mut values = vec![("prompt", question)];
            values.extend(columns.iter().map(|(name, value)| (*name, value.as_str())));
            let worded = self.pool.render(record.id().short(), self.visit, &values, label);
            worded.map_err(|error| Worded::Fails(error.to_string()))
        };
        match prompt {
            Content::Text(question) => {
                render(question).map(|(prompt, label)| (prompt.into(), label))
            }
            Content::Messages(messages) => {
                let mut messages = messages.clone();
                let asked = messages.iter_mut().rev().find(|message| message.role == Role::User);
                let asked = asked.ok_or(Worded::Not("a chat in which nobody asks"))?;
                let (worded, label) = render(&asked.content)?;
                asked.content = worded;
                Ok((messages.into(), label))
            }
        }
    }

    fn example(&self, record: &Record) -> Result<Example, Worded> {
        match &record.example {
            Example::PromptOnly { prompt } => {
                let (prompt, _) = self.word(record, prompt, "")?;
                Ok(Example::PromptOnly { prompt })
            }
            Example::PromptCompletion { prompt, completion: Content::Text(label) } => {
                let (prompt, label) = self.word(record, prompt, label)?;
                Ok(Example::PromptCompletion { prompt, completion: label.into() })
            }
            Example::PromptCompletion { prompt, completion } => {
                let (prompt, _) = self.word(record, prompt, "")?;
                Ok(Example::PromptCompletion { prompt, completion: completion.clone() })
            }
            Example::Verifiable { prompt, answer, verifier } => {
                let (prompt, answer) = self.word(record, prompt, answer)?;
                Ok(Example::Verifiable { prompt, answer, verifier: verifier.clone() })
            }
            _ => Err(Worded::Not("not a question with one label")),
        }
    }
}

/// Why a record has no wording.
enum Worded {
    /// Templates don't apply to it.
    Not(&'static str),
    /// The drawn one can't be filled.
    Fails(String),
}

/// A column as a template shows it.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

impl Stage for TemplateStage {
    fn name(&self) -> &str {
        "templates"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        let worded: Vec<_> = records.par_iter().map(|record| self.example(record)).collect();
        let mut passed = Passed::default();
        for (record, worded) in records.into_iter().zip(worded) {
            match worded {
                Ok(example) => {
                    passed.changed += usize::from(example != record.example);
                    passed.records.push(record.derive(example, "template"));
                }
                Err(Worded::Not(reason)) => passed.let_by(record, reason),
                Err(Worded::Fails(detail)) => {
                    passed.remove(record, "a template can't be filled", detail);
                }
            }
        }
        Ok(passed)
    }
}
