use crate::{Epochs, TaskError};
use refire_core::{BoxError, Prompt, PromptSource, Request, Stateful};
use serde::Deserialize;
use std::path::Path;

/// A question and its answer, from a row of a JSONL file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Row of the file, from 1: its identity.
    pub row: usize,
    /// The question.
    pub question: String,
    /// The final answer; of a worked answer as in GSM8K, what follows the last `####`.
    pub answer: String,
}

/// Reads rows of `question` and `answer`, one JSON object a line; blank lines and further fields
/// are ignored.
///
/// ```
/// use refire_tasks::read_questions;
/// let path = std::env::temp_dir().join("refire-questions-example.jsonl");
/// std::fs::write(&path, r#"{"question":"2 + 3?","answer":"2 + 3 = 5\n#### 5"}"#)?;
/// assert_eq!(read_questions(&path)?[0].answer, "5");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Names the file and the row of whatever can't be read, and refuses a file without rows.
pub fn read_questions(path: &Path) -> Result<Vec<Question>, TaskError> {
    #[derive(Deserialize)]
    struct Line {
        question: String,
        answer: String,
    }
    let file = |source| TaskError::File { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(file)?;
    let mut questions = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row = index + 1;
        let bad = |reason: String| TaskError::Row { path: path.to_owned(), row, reason };
        let Line { question, answer } =
            serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        let answer = answer.rsplit("####").next().unwrap_or_default().trim().to_owned();
        if answer.is_empty() {
            return Err(bad("`answer` is empty".to_owned()));
        }
        questions.push(Question { row, question, answer });
    }
    if questions.is_empty() {
        return Err(TaskError::NoRows { path: path.to_owned() });
    }
    Ok(questions)
}

/// Serves prompts in shuffled passes.
#[derive(Debug, Clone)]
pub struct ShuffledPrompts {
    prompts: Vec<Prompt>,
    epochs: Epochs,
}

impl ShuffledPrompts {
    /// A source over prompts with unique ids.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(prompts: Vec<Prompt>, seed: u64) -> Result<Self, TaskError> {
        let epochs = Epochs::new(prompts.len(), seed)?;
        Ok(Self { prompts, epochs })
    }
}

impl PromptSource for ShuffledPrompts {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let requests = (0..n).map(|_| {
            let (index, visit) = self.epochs.next_index();
            Request { prompt: self.prompts[index].clone(), visit, ..Request::default() }
        });
        Ok(requests.collect())
    }
}

impl Stateful for ShuffledPrompts {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.epochs.state()
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.epochs.restore(state)
    }
}
