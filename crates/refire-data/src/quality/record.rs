//! Profiles applied to records of any kind.

use super::{Cot, Profile, Rejection, Trace};
use crate::{Content, Example, Record};
use refire_core::{Message, Role};
use serde_json::Value;
use std::borrow::Cow;

/// What the further columns of a record say of its response.
struct Known<'a> {
    answer: Option<Cow<'a, str>>,
    finish_reason: Option<&'a str>,
    tokens: Option<usize>,
}

impl<'a> Known<'a> {
    fn of(record: &'a Record) -> Self {
        let extra = |name: &str| record.extra.get(name);
        let reference = match &record.example {
            Example::Verifiable { answer, .. } => Some(Cow::Borrowed(answer.as_str())),
            _ => None,
        };
        let whole = |value: &Value| match value.as_u64() {
            Some(n) => Some(n as usize),
            None => value.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0).map(|n| n as usize),
        };
        Self {
            answer: extra("answer").and_then(answer).or(reference),
            finish_reason: extra("finish_reason").and_then(Value::as_str),
            tokens: extra("tokens").and_then(whole),
        }
    }

    fn trace<'b>(&'b self, prompt: &'b str, response: &'b str) -> Trace<'b> {
        let Self { answer, finish_reason, tokens } = self;
        let (finish_reason, tokens) = (*finish_reason, *tokens);
        Trace { prompt, response, answer: answer.as_deref(), finish_reason, tokens }
    }
}

/// An answer as text. A whole number is written without a fraction, as a solution has it.
fn answer(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => {
            // Up to 2^53 a float holds whole numbers exactly.
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
            let text = match whole {
                Some(n) if number.is_f64() => format!("{n:.0}"),
                _ => number.to_string(),
            };
            Some(Cow::Owned(text))
        }
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        _ => None,
    }
}

impl Profile {
    /// The first rule that turns a record down.
    ///
    /// The web profiles read question and answer, or a whole text or chat, as one text. The rules
    /// for traces judge a response after its prompt; in a chat the last turn of the model after the
    /// last question before it, and earlier turns by the rules of
    /// [`check_text`](Self::check_text); of a question alone they ask whether it gives its answer
    /// away. Of a preference the better text is judged. Reference answer (text, a number or a truth
    /// value), finish reason and token count are read from the extra columns `answer`,
    /// `finish_reason` and `tokens` where they are.
    ///
    /// ```
    /// use refire_data::{Cot, Example, Profile, Record};
    /// let profile = Profile::Cot(Cot::default());
    /// let mut record = Record::new(Example::PromptCompletion {
    ///     prompt: "How many pens has Tom if he buys two and then three?".into(),
    ///     completion: "He has 2 + 3 = 5 pens.".into(),
    /// });
    /// record.extra.insert("answer".to_owned(), 6.into());
    /// assert_eq!(profile.check_record(&record).unwrap().unwrap().rule, "answer");
    /// ```
    ///
    /// # Errors
    /// Why it can't be judged.
    pub fn check_record(&self, record: &Record) -> Result<Option<Rejection>, &'static str> {
        let found = self.judge(record)?;
        let unreadable =
            matches!(record.extra.get("answer"), Some(Value::Array(_) | Value::Object(_)));
        // The other rules may have turned it down all the same.
        if found.is_none() && unreadable && matches!(self, Self::Cot(_)) {
            return Err("a reference answer that is a list or an object");
        }
        Ok(found)
    }

    fn judge(&self, record: &Record) -> Result<Option<Rejection>, &'static str> {
        let known = Known::of(record);
        match &record.example {
            Example::LanguageModelling { content }
            | Example::ImplicitPreference { chosen: content, .. } => {
                self.check_content(content, &known)
            }
            example => {
                let Some(prompt) = example.prompt_text() else { return Err("no text") };
                let answer = known.answer.as_deref();
                match (example.response_text(), self) {
                    (Some(response), _) => Ok(self.check(&known.trace(&prompt, &response))),
                    (None, Self::Cot(rules))
                        if rules.plain_questions || (rules.leaks && answer.is_some()) =>
                    {
                        Ok(rules.check_question(&prompt, answer))
                    }
                    (None, _) => Err("a question without an answer"),
                }
            }
        }
    }

    fn check_content(
        &self,
        content: &Content,
        known: &Known<'_>,
    ) -> Result<Option<Rejection>, &'static str> {
        match (content, self) {
            (Content::Messages(messages), Self::Cot(rules)) => check_chat(rules, messages, known),
            _ if content.text().trim().is_empty() => Err("no text"),
            _ => Ok(self.check_text(&content.text())),
        }
    }
}

fn check_chat(
    rules: &Cot,
    messages: &[Message],
    known: &Known<'_>,
) -> Result<Option<Rejection>, &'static str> {
    let (mut asked, mut turns) = (None, Vec::new());
    for message in messages {
        match message.role {
            Role::User => asked = Some(message.content.as_str()),
            Role::Assistant if !message.content.trim().is_empty() => {
                turns.push((asked, message.content.as_str()));
            }
            _ => {}
        }
    }
    let (asked, last) = turns.pop().ok_or("a chat in which the model says nothing")?;
    let asked = asked.ok_or("a chat in which nobody asks")?;
    let found = rules.check(&known.trace(asked, last));
    let earlier =
        |(asked, said): (Option<&str>, &str)| rules.check_turn(asked.unwrap_or_default(), said);
    Ok(found.or_else(|| turns.into_iter().find_map(earlier)))
}
