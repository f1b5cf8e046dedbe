use super::split::split;
use super::tokens::{TOO_LONG, Tokens};
use super::{EncodeConfig, TooLong};
use crate::{Content, Converted, DataError, Example, Kind, Record};
use refire_core::{Preference, TextEncoder};

impl Record {
    /// This record as judged answers for preference training: a pair, explicit or not, or one
    /// answer with its label. The extra column `margin` is the pair's. `None` for one that is too
    /// long.
    ///
    /// ```
    /// use refire_core::PlainText;
    /// use refire_data::{EncodeConfig, Example, Record};
    /// let bytes = PlainText(|text: &str| Ok(text.bytes().map(u32::from).collect()));
    /// let record = Record::new(Example::Preference {
    ///     prompt: "2+3=".into(), chosen: "5".into(), rejected: "6".into(),
    /// });
    /// let pair =
    ///     record.encode_preference(&bytes, &EncodeConfig::default())?.ok_or("left out")?;
    /// assert_eq!(pair.completions, [vec![u32::from(b'5')], vec![u32::from(b'6')]]);
    /// assert_eq!(pair.labels, [1.0, 0.0]);
    /// # Ok::<(), refire_core::BoxError>(())
    /// ```
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

    pub(super) fn preference(
        &self,
        encoder: &dyn TextEncoder,
        config: &EncodeConfig,
    ) -> Result<Tokens<Preference>, DataError> {
        let margin = self.number("margin", f64::NEG_INFINITY, "a number")?.unwrap_or(0.0);
        let explicit = match self.example.kind() {
            Kind::ImplicitPreference => match self.convert(Kind::Preference)? {
                Converted::Records(mut records) => records.pop(),
                Converted::LeftOut(why) => return Ok(Tokens::left_out(why)),
            },
            _ => None,
        };
        let Judged { prompt, completions, labels } = explicit.as_ref().unwrap_or(self).judged()?;
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

    fn judged(&self) -> Result<Judged<'_>, DataError> {
        match &self.example {
            Example::Preference { prompt, chosen, rejected } => {
                Ok(Judged { prompt, completions: vec![chosen, rejected], labels: vec![1.0, 0.0] })
            }
            Example::Unpaired { prompt, completion, label } => {
                let label = f64::from(u8::from(*label));
                Ok(Judged { prompt, completions: vec![completion], labels: vec![label] })
            }
            other => Err(DataError::Convert {
                from: other.kind().name(),
                to: "a preference",
                reason: "it has no judged answers".to_owned(),
            }),
        }
    }
}

/// Answers to a question, and how they were judged.
struct Judged<'a> {
    prompt: &'a Content,
    completions: Vec<&'a Content>,
    labels: Vec<f64>,
}
