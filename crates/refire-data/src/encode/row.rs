use super::split::{failed, split, whole};
use super::tokens::{TOO_LONG, Tokens};
use super::{EncodeConfig, Learn, TooLong};
use crate::{Content, Converted, DataError, Example, Kind, Record};
use refire_core::{ChatTokens, Row, TextEncoder};

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

    pub(super) fn row(
        &self,
        encoder: &dyn TextEncoder,
        config: &EncodeConfig,
    ) -> Result<Tokens<Row>, DataError> {
        let weight = self.number("loss_weight", 0.0, "a number of at least 0")?;
        let (marked, merged) = match self.reply()? {
            Reply::None(why) => return Ok(Tokens::left_out(why)),
            Reply::Whole(content) => (self.mark(encoder, &content, config.learn)?, false),
            Reply::Apart(prompt, completion) => match (config.learn, &prompt) {
                (Learn::Reply, _) | (Learn::Assistant, Content::Text(_)) => {
                    self.mark_apart(encoder, &prompt, &completion)?
                }
                (learn, _) => (self.mark(encoder, &prompt.join(&completion)?, learn)?, false),
            },
        };
        let (marked, cut) = match fit(marked, config) {
            Ok(fitted) => fitted,
            Err(why) => return Ok(Tokens::left_out(why)),
        };
        let ChatTokens { tokens, assistant: loss_mask } = marked;
        let weights = weight.filter(|weight| *weight != 1.0);
        let weights = weights.map(|weight| vec![weight as f32; tokens.len()]);
        let row = Row { id: self.id().short(), tokens, loss_mask, weights, ..Row::default() };
        Ok(Tokens { item: Ok(row), cut, merged })
    }

    /// A text or a chat as one; what the assistant wrote is marked, or everything.
    fn mark(
        &self,
        encoder: &dyn TextEncoder,
        content: &Content,
        learn: Learn,
    ) -> Result<ChatTokens, DataError> {
        match (content, learn) {
            (Content::Messages(messages), Learn::Reply | Learn::Assistant) => {
                encoder.marked_chat(messages, &self.tools).map_err(failed)
            }
            _ => {
                let tokens = whole(encoder, &self.tools, content)?;
                let assistant = vec![true; tokens.len()];
                Ok(ChatTokens { tokens, assistant })
            }
        }
    }

    /// The answer is marked; also whether it shares a token with the question.
    fn mark_apart(
        &self,
        encoder: &dyn TextEncoder,
        prompt: &Content,
        completion: &Content,
    ) -> Result<(ChatTokens, bool), DataError> {
        let parts = split(encoder, &self.tools, prompt, &[completion])?;
        let mut assistant = vec![false; parts.prompt.len()];
        let tokens = [parts.prompt, parts.completions.concat()].concat();
        assistant.resize(tokens.len(), true);
        Ok((ChatTokens { tokens, assistant }, parts.merged))
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
}

/// What a record has to imitate.
enum Reply {
    Whole(Content),
    Apart(Content, Content),
    None(&'static str),
}

/// What may be learned of it within the limit, and whether its end was cut off; or why nothing is.
fn fit(marked: ChatTokens, config: &EncodeConfig) -> Result<(ChatTokens, bool), &'static str> {
    let ChatTokens { mut tokens, mut assistant } = marked;
    let limit = config.max_tokens.unwrap_or(usize::MAX);
    let cut = tokens.len() > limit;
    if cut && config.too_long == TooLong::LeaveOut {
        return Err(TOO_LONG);
    }
    tokens.truncate(limit);
    assistant.truncate(limit);
    // The first token has no context.
    if let Some(first) = assistant.first_mut() {
        *first = false;
    }
    match assistant.contains(&true) {
        true => Ok((ChatTokens { tokens, assistant }, cut)),
        false => Err(if cut { TOO_LONG } else { NOTHING_LEARNED }),
    }
}
