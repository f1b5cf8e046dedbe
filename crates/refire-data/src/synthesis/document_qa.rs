use super::{Asker, Made, Recipe};
use crate::text::sentences;
use crate::{DataError, Example, Record, Template};

/// Document, question, answer: passages of a text become questions, and their answers are written
/// with the passage in sight. The record holds question and answer without the passage, which is in
/// the extra column `passage`.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_data::{Asker, DocumentQa, Example, Record};
/// # use refire_core::{BoxError, Message, RolloutEngine};
/// # fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
/// #     Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
/// # }
/// # fn with(engine: &mut dyn RolloutEngine) -> Result<(), BoxError> {
/// let mut asker = Asker::new(engine, &encode, SamplingParams::default());
/// let document = Record::new(Example::LanguageModelling {
///     content: "Ada wrote it in 1843. Nobody read it for long.".into(),
/// });
/// let made = DocumentQa::new()?.run(&mut asker, &document)?;
/// // Up to three records of question and answer.
/// assert!(made.iter().all(|record| record.extra.contains_key("passage")));
/// # Ok(())
/// # }
/// ```
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
        Ok(self.each(asker, std::slice::from_ref(document))?.concat())
    }

    fn each(
        &self,
        asker: &mut Asker<'_>,
        documents: &[Record],
    ) -> Result<Vec<Vec<Record>>, DataError> {
        // The document and its passages, and how often it was asked about.
        let split = |document: &Record| passages(&document.example.full_text(), self.words);
        let (mut asked, mut passages_of) = (Vec::new(), Vec::new());
        let mut keys: Vec<Keys> = documents.iter().map(Keys::of).collect();
        for (at, document) in documents.iter().enumerate() {
            for passage in split(document) {
                let values = [("passage", passage.as_str()), ("count", &self.count.to_string())];
                asked.push((keys[at].next(), self.question.fill(&values)?));
                passages_of.push((at, passage));
            }
        }
        let (mut wanted, mut of) = (Vec::new(), Vec::new());
        for ((at, passage), lines) in passages_of.iter().zip(asker.ask_one(&asked)?) {
            for question in questions(&lines).into_iter().take(self.count) {
                let values = [("passage", passage.as_str()), ("question", &question)];
                wanted.push((keys[*at].next(), self.answer.fill(&values)?));
                of.push((*at, passage, question));
            }
        }
        let mut made = vec![Vec::new(); documents.len()];
        for ((at, passage, question), answer) in of.into_iter().zip(asker.ask_one(&wanted)?) {
            if answer.is_empty() || answer.contains("UNANSWERABLE") {
                continue;
            }
            let example =
                Example::PromptCompletion { prompt: question.into(), completion: answer.into() };
            let mut record = documents[at].derive(example, "synthesis: document, question, answer");
            record.extra.insert("passage".to_owned(), passage.clone().into());
            made[at].push(record);
        }
        Ok(made)
    }
}

impl Recipe for DocumentQa {
    fn name(&self) -> &str {
        "document, question, answer"
    }

    fn make(&mut self, asker: &mut Asker<'_>, records: &[Record]) -> Result<Vec<Made>, DataError> {
        let some = |made: Vec<Record>| {
            if made.is_empty() { Err("no question was answered") } else { Ok(made) }
        };
        Ok(self.each(asker, records)?.into_iter().map(some).collect())
    }
}

/// Keys of the draws for all that is asked about one document.
struct Keys {
    id: u64,
    asked: u64,
}

impl Keys {
    fn of(document: &Record) -> Self {
        Self { id: document.id().short(), asked: 0 }
    }

    fn next(&mut self) -> u64 {
        self.asked += 1;
        crate::text::fold(self.id, self.asked - 1)
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
