use super::EncodeConfig;
use super::tokens::Tokens;
use crate::{DataError, Record, RecordId};
use rayon::prelude::*;
use refire_core::{Preference, Prompt, Row, TextEncoder};
use std::fmt;

/// A record that gave nothing to train on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which one.
    pub id: RecordId,
    /// Its place among the records.
    pub index: usize,
    /// Why.
    pub reason: &'static str,
}

/// What became of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodeReport {
    /// Records that were read.
    pub records: usize,
    /// Of those that gave something: their end was cut off.
    pub cut: usize,
    /// Of those that gave something: question and answer share a token, or the template renders a
    /// question otherwise alone than with its answer. Training then sees another beginning of the
    /// answer than sampling.
    pub merged: usize,
    /// Records that gave nothing.
    pub left_out: Vec<LeftOut>,
}

impl fmt::Display for EncodeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, cut, merged, left_out } = self;
        write!(f, "{} of {records} records", records - left_out.len())?;
        let mut reasons: Vec<(&str, usize)> = Vec::new();
        for LeftOut { reason, .. } in left_out {
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, count)) => *count += 1,
                None => reasons.push((reason, 1)),
            }
        }
        for (reason, count) in reasons {
            write!(f, "; {count} left out: {reason}")?;
        }
        if *cut > 0 {
            write!(f, "; {cut} cut off at the end")?;
        }
        if *merged > 0 {
            write!(f, "; in {merged} the question's tokens end otherwise with the answer")?;
        }
        Ok(())
    }
}

/// What records gave, and what became of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded<T> {
    /// In the order of the records.
    pub items: Vec<T>,
    /// The books.
    pub report: EncodeReport,
}

/// Rows of supervised training, by [`Record::encode_row`] on all threads.
///
/// ```
/// use refire_core::PlainText;
/// use refire_data::{EncodeConfig, Example, Record, encode_rows};
/// let bytes = PlainText(|text: &str| Ok(text.bytes().map(u32::from).collect()));
/// let records = ["5", "5, for 3 and 2 make 5"].map(|answer| {
///     Record::new(Example::PromptCompletion { prompt: "2+3=".into(), completion: answer.into() })
/// });
/// let config = EncodeConfig { max_tokens: Some(16), ..EncodeConfig::default() };
/// let encoded = encode_rows(&records, &bytes, &config)?;
/// assert_eq!(encoded.items[0].tokens, b"2+3=5".map(u32::from));
/// assert_eq!(encoded.report.left_out[0].reason, "it is longer than `max_tokens`");
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// Names the first record, in their order, that can't become a row.
pub fn encode_rows(
    records: &[Record],
    encoder: &dyn TextEncoder,
    config: &EncodeConfig,
) -> Result<Encoded<Row>, DataError> {
    config.validate()?;
    collect(records, |record| record.row(encoder, config))
}

/// Judged answers for preference training, by [`Record::encode_preference`] on all threads.
///
/// ```
/// use refire_core::PlainText;
/// use refire_data::{EncodeConfig, Example, Record, encode_preferences};
/// let bytes = PlainText(|text: &str| Ok(text.bytes().map(u32::from).collect()));
/// let record = Record::new(Example::Preference {
///     prompt: "2+3=".into(), chosen: "5".into(), rejected: "6".into(),
/// });
/// let pairs = encode_preferences(&[record], &bytes, &EncodeConfig::default())?.items;
/// assert_eq!(pairs[0].prompt, b"2+3=".map(u32::from));
/// assert_eq!(pairs[0].completions, [b"5", b"6"].map(|answer| answer.map(u32::from)));
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// Names the first record, in their order, that has none.
pub fn encode_preferences(
    records: &[Record],
    encoder: &dyn TextEncoder,
    config: &EncodeConfig,
) -> Result<Encoded<Preference>, DataError> {
    config.validate()?;
    collect(records, |record| record.preference(encoder, config))
}

/// Prompts for rollouts, by [`Record::encode_prompt`] on all threads: what a
/// [`Pool`](crate::Pool) is made of.
///
/// ```
/// use refire_core::{PlainText, SamplingParams};
/// use refire_data::{EncodeConfig, Example, Pool, Record, encode_prompts};
/// let bytes = PlainText(|text: &str| Ok(text.bytes().map(u32::from).collect()));
/// let record = Record::new(Example::Verifiable {
///     prompt: "2 + 3?".into(), answer: "5".into(), verifier: String::new(),
/// });
/// let prompts = encode_prompts(&[record], &bytes, &EncodeConfig::default())?.items;
/// assert_eq!((prompts[0].tokens.len(), prompts[0].answer.as_deref()), (6, Some("5")));
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// Names the first record, in their order, that has no question apart.
pub fn encode_prompts(
    records: &[Record],
    encoder: &dyn TextEncoder,
    config: &EncodeConfig,
) -> Result<Encoded<Prompt>, DataError> {
    config.validate()?;
    collect(records, |record| record.prompt(encoder, config))
}

fn collect<T: Send>(
    records: &[Record],
    encode: impl Fn(&Record) -> Result<Tokens<T>, DataError> + Sync,
) -> Result<Encoded<T>, DataError> {
    let all: Vec<_> = records.par_iter().map(&encode).collect();
    let mut report = EncodeReport { records: records.len(), ..EncodeReport::default() };
    let mut items = Vec::with_capacity(all.len());
    for (index, (record, tokens)) in records.iter().zip(all).enumerate() {
        let Tokens { item, cut, merged } = tokens.map_err(|error| placed(record, index, error))?;
        match item {
            Ok(item) => {
                items.push(item);
                report.cut += usize::from(cut);
                report.merged += usize::from(merged);
            }
            Err(reason) => report.left_out.push(LeftOut { id: record.id(), index, reason }),
        }
    }
    Ok(Encoded { items, report })
}

/// The error with the place the record was read from.
fn placed(record: &Record, index: usize, error: DataError) -> DataError {
    let (path, line) = match record.provenance.first() {
        Some(origin) if origin.line > 0 => (origin.source.clone().into(), origin.line),
        _ => ("records".into(), index as u64 + 1),
    };
    DataError::Row { path, line, field: "row".to_owned(), reason: error.to_string() }
}
