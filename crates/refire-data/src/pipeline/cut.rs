//! Stages that cut what stood in earlier texts out of later ones.

use super::{Passed, Stage};
use crate::{
    Content, DataError, Example, Record, SentenceConfig, SentenceDedup, SubstringDedup, Words,
};
use refire_core::{Message, Role};

/// What is left of a piece: `Ok(None)` where nothing was cut.
///
/// # Errors
/// Why the record must go.
type Cleaned<T> = Result<Option<T>, &'static str>;

/// True where marks at most are left: a passage ends with its last word, not with the stop behind it.
fn is_bare(text: &str) -> bool {
    !text.contains(char::is_alphanumeric)
}

fn cut_text(text: &str, clean: &mut dyn FnMut(&str) -> Option<String>) -> Cleaned<String> {
    match clean(text) {
        Some(rest) if is_bare(&rest) => Err("nothing left"),
        rest => Ok(rest),
    }
}

/// Cuts within what the model says; what it was told stands as it is.
fn cut_chat(
    messages: &[Message],
    clean: &mut dyn FnMut(&str) -> Option<String>,
) -> Cleaned<Vec<Message>> {
    let (mut messages, mut any) = (messages.to_vec(), false);
    let said = messages.iter_mut().filter(|m| m.role == Role::Assistant && !m.content.is_empty());
    for message in said {
        if let Some(rest) = clean(&message.content) {
            if is_bare(&rest) && message.tool_calls.is_empty() {
                return Err("nothing left of a turn");
            }
            (message.content, any) = (rest, true);
        }
    }
    Ok(any.then_some(messages))
}

fn cut_content(
    content: &Content,
    clean: &mut dyn FnMut(&str) -> Option<String>,
) -> Cleaned<Content> {
    Ok(match content {
        Content::Text(text) => cut_text(text, clean)?.map(Content::Text),
        Content::Messages(messages) => cut_chat(messages, clean)?.map(Content::Messages),
    })
}

/// Cuts parts out of texts, of answers, and of what the model says in chats. Labels, pairs and steps
/// were given for an answer as it stands: such records go on as they are, as do questions, and are
/// counted.
fn cut(records: Vec<Record>, step: &str, clean: &mut dyn FnMut(&str) -> Option<String>) -> Passed {
    let mut passed = Passed::default();
    for record in records {
        let cleaned = match &record.example {
            Example::LanguageModelling { content } => cut_content(content, clean)
                .map(|rest| rest.map(|content| Example::LanguageModelling { content })),
            Example::PromptCompletion { prompt, completion } => {
                cut_content(completion, clean).map(|rest| {
                    let prompt = prompt.clone();
                    rest.map(|completion| Example::PromptCompletion { prompt, completion })
                })
            }
            Example::PromptOnly { .. } | Example::Verifiable { .. } => {
                passed.let_by(record, "a question without an answer");
                continue;
            }
            _ => {
                passed.let_by(record, "judged as it stands");
                continue;
            }
        };
        match cleaned {
            Ok(None) => passed.records.push(record),
            Ok(Some(example)) => {
                passed.records.push(record.derive(example, step));
                passed.changed += 1;
            }
            Err(reason) => passed.remove(record, reason, "all of it stood in earlier texts"),
        }
    }
    passed
}

/// Cuts repeated spans of sentences out of texts, answers and what the model says in chats; what it
/// doesn't apply to is counted.
///
/// ```
/// use refire_data::{Example, Record, SentenceConfig, SentenceStage, Stage};
/// let mut stage = SentenceStage::new(SentenceConfig { span: 1, ..SentenceConfig::default() })?;
/// let records = ["First.", "Second."].map(|start| {
///     let text = format!("{start} Please read all of our terms and conditions before you go on.");
///     Record::new(Example::LanguageModelling { content: text.into() })
/// });
/// let passed = stage.run(records.into())?;
/// assert_eq!(passed.changed, 1);
/// assert_eq!(passed.records[1].example.full_text().trim(), "Second.");
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct SentenceStage(SentenceDedup);

impl SentenceStage {
    /// A stage that has seen nothing.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(config: SentenceConfig) -> Result<Self, DataError> {
        Ok(Self(SentenceDedup::new(config)?))
    }
}

impl Stage for SentenceStage {
    fn name(&self) -> &str {
        "repeated sentences"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        Ok(cut(records, "cut: repeated sentences", &mut |text| self.0.clean(text)))
    }
}

/// Cuts repeated passages out of texts, answers and what the model says in chats; what it doesn't
/// apply to is counted.
///
/// ```
/// use refire_data::{Example, Record, Stage, SubstringStage, Words};
/// let mut stage = SubstringStage::new(4, Words::default())?;
/// let records = ["one two three four five", "zero one two three four six"]
///     .map(|text| Record::new(Example::LanguageModelling { content: text.into() }));
/// let passed = stage.run(records.into())?;
/// assert_eq!(passed.records[1].example.full_text(), "zero  six");
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct SubstringStage(SubstringDedup);

impl SubstringStage {
    /// A stage for passages of at least so many words.
    ///
    /// # Errors
    /// For passages of no word.
    pub fn new(min_words: usize, words: Words) -> Result<Self, DataError> {
        Ok(Self(SubstringDedup::new(min_words, words)?))
    }
}

impl Stage for SubstringStage {
    fn name(&self) -> &str {
        "repeated passages"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        Ok(cut(records, "cut: repeated passages", &mut |text| Some(self.0.clean(text)?.text)))
    }
}
