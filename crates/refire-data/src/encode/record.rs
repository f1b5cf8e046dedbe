use super::split::{failed, split, whole};
use super::{EncodeConfig, Learn, TooLong};
use crate::{Content, Converted, DataError, Example, Kind, Record};
use refire_core::{ChatTokens, Preference, Row, TextEncoder};

/// A record as tokens, or why it gives none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tokens<T> {
    pub(super) item: Result<T, &'static str>,
    pub(super) cut: bool,
    pub(super) merged: bool,
}

impl<T> Tokens<T> {
    pub(super) fn whole(item: T) -> Self {
        Self { item: Ok(item), cut: false, merged: false }
    }

    pub(super) fn left_out(why: &'static str) -> Self {
        Self { item: Err(why), cut: false, merged: false }
    }
}

pub(super) const TOO_LONG: &str = "it is longer than `max_tokens`";
const NOTHING_LEARNED: &str = "no token of it is learned";

impl Record {
    /// This record as a row of supervised training: texts and chats as they are, questions with
    /// their answers, the good answer of a preference. An extra column `loss_weight` is the weight
    /// of the row's tokens. `None` for a record that gives no row: a bad answer, one that is too
    /// long, one of which nothing is learned.
    ///
    /// ```
    /// use refire_core::PlainText;
    /// use refire_data::{EncodeConfig, Example, Record};
    /// // In earnest a model's encoder: `Pretrained::encoder`.
    /// let bytes = PlainText(|text: &str| Ok(text.bytes().map(u32::from).collect()));
    /// let record =
    ///     Record::new(Example::PromptCompletion { prompt: "2+3=".into(), completion: "5".into() });
    /// let row = record.encode_row(&bytes, &EncodeConfig::default())?.ok_or("left out")?;
    /// assert_eq!(row.tokens, b"2+3=5".map(u32::from));
    /// assert_eq!(row.loss_mask, [false, false, false, false, true]);
    /// # Ok::<(), refire_core::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// When a record of this kind has no answer, when `loss_weight` is not a number of at least 0,
    /// or when the encoder fails: without a chat template, for example.
    pub fn encode_row(
        &self,
        encoder: &dyn TextEncoder,
        config: &EncodeConfig,
    ) -> Result<Option<Row>, DataError> {
        config.validate()?;
        Ok(self.row(encoder, config)?.item.ok())
    }

    /// This record as judged answers for preference training: a pair, explicit or not, or one
    /// answer with its label. The extra column `margin` is the pair's. `None` for one that is too
    /// long.
    ///
    /// # Errors
    /// For records of other kinds, when `margin` is not a number, or when the encoder fails.
    pub fn encode_preference(
        &self,
        encoder: &dyn TextEncoder,
        config: &EncodeConfig,
    ) -> Result<Option<Preference>, DataError> {
        config.validate()?;
        Ok(self.preference(encoder, config)?.item.ok())
    }

    pub(super) fn row(
        &self,
        encoder: &dyn TextEncoder,
        config: &EncodeConfig,
    ) -> Result<Tokens<Row>, DataError> {
        let weight = self.number("loss_weight")?.filter(|weight| *weight != 1.0);
        if weight.is_some_and(|weight| weight < 0.0) {
            return Err(self.bad_number("loss_weight"));
        }
        let mut merged = false;
        let learned = |tokens: Vec<u32>| {
            let assistant = vec![true; tokens.len()];
            ChatTokens { tokens, assistant }
        };
        let marked = match (self.reply()?, config.learn) {
            (Reply::None(why), _) => return Ok(Tokens::left_out(why)),
            (Reply::Whole(Content::Messages(messages)), Learn::Reply | Learn::Assistant) => {
                encoder.marked_chat(&messages, &self.tools).map_err(failed)?
            }
            (Reply::Whole(content), _) => learned(whole(encoder, &self.tools, &content)?),
            (Reply::Apart(prompt, completion), Learn::Everything) => {
                learned(whole(encoder, &self.tools, &prompt.join(&completion)?)?)
            }
            (Reply::Apart(prompt @ Content::Messages(_), completion), Learn::Assistant) => {
                let all = prompt.join(&completion)?.to_messages(&refire_core::Role::User);
                encoder.marked_chat(&all, &self.tools).map_err(failed)?
            }
            (Reply::Apart(prompt, completion), _) => {
                let parts = split(encoder, &self.tools, &prompt, &[&completion])?;
                merged = parts.merged;
                let mut assistant = vec![false; parts.prompt.len()];
                let tokens = [parts.prompt, parts.completions.concat()].concat();
                assistant.resize(tokens.len(), true);
                ChatTokens { tokens, assistant }
            }
        };
        let ChatTokens { mut tokens, assistant: mut loss_mask } = marked;
        let limit = config.max_tokens.unwrap_or(usize::MAX);
        let cut = tokens.len() > limit;
        if cut && config.too_long == TooLong::LeaveOut {
            return Ok(Tokens::left_out(TOO_LONG));
        }
        tokens.truncate(limit);
        loss_mask.truncate(limit);
        // The first token has no context.
        if let Some(first) = loss_mask.first_mut() {
            *first = false;
        }
        if !loss_mask.contains(&true) {
            return Ok(Tokens::left_out(if cut { TOO_LONG } else { NOTHING_LEARNED }));
        }
        let weights = weight.map(|weight| vec![weight as f32; tokens.len()]);
        let row = Row { id: self.id().short(), tokens, loss_mask, weights, ..Row::default() };
        Ok(Tokens { item: Ok(row), cut, merged })
    }

    pub(super) fn preference(
        &self,
        encoder: &dyn TextEncoder,
        config: &EncodeConfig,
    ) -> Result<Tokens<Preference>, DataError> {
        let margin = self.number("margin")?.unwrap_or(0.0);
        let explicit = match self.example.kind() {
            Kind::ImplicitPreference => match self.convert(Kind::Preference)? {
                Converted::Records(mut records) => records.pop(),
                Converted::LeftOut(why) => return Ok(Tokens::left_out(why)),
            },
            _ => None,
        };
        let (prompt, completions, labels) = match &explicit.as_ref().unwrap_or(self).example {
            Example::Preference { prompt, chosen, rejected } => {
                (prompt, vec![chosen, rejected], vec![1.0, 0.0])
            }
            Example::Unpaired { prompt, completion, label } => {
                (prompt, vec![completion], vec![f64::from(u8::from(*label))])
            }
            other => {
                let reason = "it has no judged answers".to_owned();
                let from = other.kind().name();
                return Err(DataError::Convert { from, to: "a preference", reason });
            }
        };
        let parts = split(encoder, &self.tools, prompt, &completions)?;
        let (prompt, mut completions) = (parts.prompt, parts.completions);
        let room = config.max_tokens.unwrap_or(usize::MAX).saturating_sub(prompt.len());
        let cut = completions.iter().any(|tokens| tokens.len() > room);
        if cut && (room == 0 || config.too_long == TooLong::LeaveOut) {
            return Ok(Tokens::left_out(TOO_LONG));
        }
        completions.iter_mut().for_each(|tokens| tokens.truncate(room));
        let id = self.id().short();
        let item = Preference { id, prompt, completions, labels, margin };
        Ok(Tokens { item: Ok(item), cut, merged: parts.merged })
    }

    fn reply(&self) -> Result<Reply, DataError> {
        let to = match self.example.kind() {
            whole @ Kind::LanguageModelling => whole,
            _ => Kind::PromptCompletion,
        };
        let record = match self.convert(to)? {
            Converted::Records(mut records) => records.pop(),
            Converted::LeftOut(why) => return Ok(Reply::None(why)),
        };
        Ok(match record.map(|record| record.example) {
            Some(Example::LanguageModelling { content }) => Reply::Whole(content),
            Some(Example::PromptCompletion { prompt, completion }) => {
                Reply::Apart(prompt, completion)
            }
            _ => Reply::None("it has no answer"),
        })
    }

    /// A number of the extra columns.
    fn number(&self, column: &'static str) -> Result<Option<f64>, DataError> {
        match self.extra.get(column) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.bad_number(column)),
            },
        }
    }

    fn bad_number(&self, column: &'static str) -> DataError {
        let value = self.extra.get(column).map(ToString::to_string).unwrap_or_default();
        let expected = if column == "margin" { "a number" } else { "a number of at least 0" };
        DataError::OutOfRange { field: column, value, expected }
    }
}

/// What a record has to imitate.
enum Reply {
    Whole(Content),
    Apart(Content, Content),
    None(&'static str),
}
