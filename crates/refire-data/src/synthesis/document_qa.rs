use super::Asker;
use crate::text::sentences;
use crate::{DataError, Example, Record, Template};

/// Document, question, answer: passages of a text become questions, and their answers are written
/// with the passage in sight. The record holds question and answer without the passage, which is in
/// the extra column `passage`.
#[derive(Debug, Clone)]
pub struct DocumentQa {
    /// Asks for questions, one a line; `{passage}`, `{count}`.
    pub question: Template,
    /// Asks for an answer; `{passage}`, `{question}`. `UNANSWERABLE` gives the question up.
    pub answer: Template,
    /// Questions wanted of a passage.
    pub count: usize,
    /// Words of a passage, at most; passages end with sentences.
    pub words: usize,
}

impl DocumentQa {
    /// The usual wordings, three questions for each 200 words.
    ///
    /// # Errors
    /// Never for these templates.
    pub fn new() -> Result<Self, DataError> {
        Ok(Self {
            question: Template::new(
                "Write {count} questions, one a line, that this passage answers and that can be \
                 understood without it.\n\n{passage}",
            )?,
            answer: Template::new(
                "Answer from this passage alone, or say UNANSWERABLE.\n\n{passage}\n\n{question}",
            )?,
            count: 3,
            words: 200,
        })
    }

    /// Prompt–completion records from a document.
    ///
    /// # Errors
    /// When asking fails, or a template names a place it isn't given.
    pub fn run(&self, asker: &mut Asker<'_>, document: &Record) -> Result<Vec<Record>, DataError> {
        let text = document.example.full_text();
        let passages = passages(&text, self.words);
        let (id, count) = (document.id().short(), self.count.to_string());
        let key = |at: usize| crate::text::fold(id, at as u64);
        let mut asked = Vec::new();
        for (at, passage) in passages.iter().enumerate() {
            let values = [("passage", passage.as_str()), ("count", &count)];
            asked.push((key(at), self.question.fill(&values)?));
        }
        let (mut wanted, mut of) = (Vec::new(), Vec::new());
        for (passage, lines) in passages.iter().zip(asker.ask_one(&asked)?) {
            for question in questions(&lines).into_iter().take(self.count) {
                let values = [("passage", passage.as_str()), ("question", &question)];
                wanted.push((key(passages.len() + wanted.len()), self.answer.fill(&values)?));
                of.push((passage, question));
            }
        }
        let mut made = Vec::new();
        for ((passage, question), answer) in of.into_iter().zip(asker.ask_one(&wanted)?) {
            if answer.is_empty() || answer.contains("UNANSWERABLE") {
                continue;
            }
            let example =
                Example::PromptCompletion { prompt: question.into(), completion: answer.into() };
            let mut record = document.derive(example, "synthesis: document, question, answer");
            record.extra.insert("passage".to_owned(), passage.clone().into());
            made.push(record);
        }
        Ok(made)
    }
}

/// Lines with a question mark, without their numbers or bullets.
fn questions(lines: &str) -> Vec<String> {
    let bare = |line: &str| {
        let line = line.trim().trim_start_matches(|c: char| c.is_ascii_digit());
        line.trim_start_matches(['.', ')', '-', '*', ' ']).to_owned()
    };
    lines.lines().map(bare).filter(|line| line.contains(['?', '？'])).collect()
}

/// Passages of at most `words` words that end with a sentence; a longer sentence is a passage by
/// itself.
///
/// ```
/// assert_eq!(refire_data::passages("One two. Three four. Five.", 4), ["One two. Three four.", "Five."]);
/// ```
pub fn passages(text: &str, words: usize) -> Vec<String> {
    let (mut found, mut start, mut end, mut count) = (Vec::new(), 0, 0, 0);
    for range in sentences(text) {
        let size = text[range.clone()].split_whitespace().count();
        if count > 0 && count + size > words {
            found.push(start..end);
            (start, count) = (range.start, 0);
        }
        end = range.end;
        count += size;
    }
    found.push(start..end);
    let trimmed = found.into_iter().map(|range| text[range].trim().to_owned());
    trimmed.filter(|passage| !passage.is_empty()).collect()
}
