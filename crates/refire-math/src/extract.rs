mod scan;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::MathError;
pub(crate) use scan::closing_brace;

/// The marker that an answer stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tier {
    /// `\boxed{…}` or `\fbox{…}`.
    Boxed,
    /// `<answer>…</answer>`.
    AnswerTag,
    /// The rest of a line after `####`.
    Hash,
}

/// Why there is no answer to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// No marker of an enabled tier.
    Missing,
    /// The text ends inside `<think>`.
    Thinking,
    /// The marker is there, its end is not.
    Unclosed,
    /// The marker holds nothing.
    Empty,
    /// Longer than [`Limits`](crate::Limits) allow.
    TooLong,
}

/// Where an answer is looked for.
///
/// The first tier whose marker is present decides alone: a broken marker is a
/// [`Fault`], not a reason to look further down. Falling through is how graders come to mark an
/// unrelated number of the reasoning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtractRules {
    /// The enabled tiers, first wins.
    pub tiers: Vec<Tier>,
    /// Look only behind the last `</think>`; a `<think>` without end leaves nothing to look at.
    pub strip_thinking: bool,
}

impl Default for ExtractRules {
    /// Box, tag, hash: from the marker least likely to occur by accident to the most likely.
    fn default() -> Self {
        Self { tiers: vec![Tier::Boxed, Tier::AnswerTag, Tier::Hash], strip_thinking: true }
    }
}

impl ExtractRules {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<MathError> {
        let repeated = self.tiers.iter().enumerate().any(|(i, t)| self.tiers[..i].contains(t));
        if repeated || self.tiers.is_empty() {
            vec![MathError::OutOfRange {
                field: "extract.tiers",
                value: format!("{:?}", self.tiers),
                expected: "at least one tier, each once",
            }]
        } else {
            Vec::new()
        }
    }
}

/// What [`extract`] found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extraction<'a> {
    /// The trimmed text of the answer, or why there is none.
    pub answer: Result<&'a str, Fault>,
    /// Bytes of the scanned text: the answer, or the broken marker, or where the search started
    /// up to the end.
    pub span: Range<usize>,
    /// The tier that decided; `None` without any marker.
    pub tier: Option<Tier>,
}

/// The final answer of `text`: the last one of the first tier in `rules` that has a marker.
///
/// - `\boxed{…}` and `\fbox{…}` take matched braces, `\{` and `\}` aside; of nested boxes the
///   outer one counts.
/// - `<answer>…</answer>` runs from the last opening tag before its closing tag.
/// - `#### x` is exactly four hashes and takes the rest of the line.
///
/// Different answers listed side by side, as in `\boxed{41} or \boxed{42}`, are one answer with
/// all of them in it, so that hedging earns nothing: up to 9 bytes between two markers join them,
/// and up to 69 if they hold no letter and no digit, or the word `and` or `or` (the distances are
/// Math-Verify's).
///
/// One pass over the text for each tier.
///
/// ```
/// use refire_math::{ExtractRules, Fault, Tier, extract};
///
/// let rules = ExtractRules::default();
/// let found = extract(r"First \boxed{41}. No wait, I forgot one: \boxed{\frac{84}{2}}", &rules);
/// assert_eq!(found.answer, Ok(r"\frac{84}{2}"));
/// assert_eq!(found.tier, Some(Tier::Boxed));
///
/// let broken = extract(r"#### 7 and then \boxed{7", &rules);
/// assert_eq!(broken.answer, Err(Fault::Unclosed));
/// ```
pub fn extract<'a>(text: &'a str, rules: &ExtractRules) -> Extraction<'a> {
    let start = if rules.strip_thinking { scan::after_thinking(text) } else { Ok(0) };
    match start {
        Ok(start) => from_tiers(text, start, &rules.tiers),
        Err(open) => {
            Extraction { answer: Err(Fault::Thinking), span: open..text.len(), tier: None }
        }
    }
}

pub(crate) fn from_tiers<'a>(text: &'a str, start: usize, tiers: &[Tier]) -> Extraction<'a> {
    let found = tiers.iter().find_map(|tier| Some((*tier, scan::last(text, start, *tier)?)));
    let Some((tier, marker)) = found else {
        return Extraction { answer: Err(Fault::Missing), span: start..text.len(), tier: None };
    };
    let (answer, span) = match marker.inner {
        None => (Err(Fault::Unclosed), marker.outer),
        Some(inner) => {
            let span = trimmed(text, inner);
            let answer = &text[span.clone()];
            if answer.is_empty() { (Err(Fault::Empty), marker.outer) } else { (Ok(answer), span) }
        }
    };
    Extraction { answer, span, tier: Some(tier) }
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inside = &text[range.clone()];
    let start = range.start + (inside.len() - inside.trim_start().len());
    start..start + inside.trim().len()
}
