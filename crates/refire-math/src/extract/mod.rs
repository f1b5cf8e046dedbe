mod boxed;
mod environment;
mod last;
mod marker;
mod phrase;
mod tag;
mod thinking;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::MathError;
pub(crate) use boxed::closing_brace;
use marker::Marker;

/// Where an answer stands.
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
    /// What stands between "final answer is" and "I hope", unless a box follows it.
    Hope,
    /// What follows "final answer is" or "final answer:".
    FinalAnswer,
    /// What follows "answer is", "answer:" and the like.
    Answer,
    /// The last formula between dollars, `\(…\)` or `\[…\]`.
    Environment,
    /// The last formula or number, whichever stands later.
    LastMath,
    /// The last number outside of formulas.
    LastNumber,
}

impl Tier {
    /// Whether the tier looks for a mark that only an answer bears.
    pub(crate) fn is_marker(self) -> bool {
        matches!(self, Self::Boxed | Self::AnswerTag | Self::Hash)
    }
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
    /// Neither mathematics nor words, from the first to the last character.
    Unreadable,
    /// Reading it would compute more than [`Limits`](crate::Limits) allow.
    TooLarge,
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
    /// Whether a box that is never closed reaches to the end of the text instead of being broken.
    pub unclosed: bool,
    /// Look only at so many bytes at the end.
    pub tail_bytes: Option<usize>,
}

impl Default for ExtractRules {
    /// From the marker least likely to occur by accident to the most likely.
    fn default() -> Self {
        Self {
            tiers: vec![
                Tier::Boxed,
                Tier::AnswerTag,
                Tier::Hash,
                Tier::FinalAnswer,
                Tier::Answer,
                Tier::LastMath,
            ],
            strip_thinking: true,
            unclosed: false,
            tail_bytes: None,
        }
    }
}

impl ExtractRules {
    /// The order of Math-Verify with `boxed_match_priority=0` and its LaTeX and expression targets.
    pub fn math_verify() -> Self {
        Self {
            tiers: vec![Tier::Hope, Tier::Boxed, Tier::FinalAnswer, Tier::Answer, Tier::LastMath],
            strip_thinking: false,
            unclosed: true,
            tail_bytes: None,
        }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<MathError> {
        let mut problems = Vec::new();
        let repeated = self.tiers.iter().enumerate().any(|(i, t)| self.tiers[..i].contains(t));
        if repeated || self.tiers.is_empty() {
            problems.push(MathError::OutOfRange {
                field: "extract.tiers",
                value: format!("{:?}", self.tiers),
                expected: "at least one tier, each once",
            });
        }
        if self.tail_bytes == Some(0) {
            problems.push(MathError::OutOfRange {
                field: "extract.tail_bytes",
                value: "0".to_owned(),
                expected: "at least 1, or none",
            });
        }
        problems
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
/// - `\boxed{…}` and `\fbox{…}` take matched braces, `\{` and `\}` aside, and `\boxed 5` takes
///   what follows; of nested boxes the outer one counts.
/// - `<answer>…</answer>` runs from the last opening tag before its closing tag.
/// - `#### x` is exactly four hashes and takes the rest of the line.
/// - "the answer is x" takes the rest of the sentence, or the formula that stands there.
/// - The last number takes its sign, currency, percent sign and fraction bar along.
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
/// assert_eq!(extract("So the answer is 3/4.", &rules).answer, Ok("3/4"));
/// ```
pub fn extract<'a>(text: &'a str, rules: &ExtractRules) -> Extraction<'a> {
    let start = if rules.strip_thinking { thinking::end(text) } else { Ok(0) };
    match start {
        Ok(start) => from_tiers(text, start, &rules.tiers, rules),
        Err(open) => {
            Extraction { answer: Err(Fault::Thinking), span: open..text.len(), tier: None }
        }
    }
}

pub(crate) fn from_tiers<'a>(
    text: &'a str,
    start: usize,
    tiers: &[Tier],
    rules: &ExtractRules,
) -> Extraction<'a> {
    let start = rules.tail_bytes.map_or(start, |bytes| start.max(tail(text, bytes)));
    let found = tiers.iter().find_map(|tier| Some((*tier, last_of(text, start, *tier)?)));
    let Some((tier, marker)) = found else {
        return Extraction { answer: Err(Fault::Missing), span: start..text.len(), tier: None };
    };
    let inner = marker.inner.or_else(|| {
        let open = rules.unclosed && tier == Tier::Boxed;
        open.then(|| boxed::unclosed(text, &marker.outer)).flatten()
    });
    let (answer, span) = match inner {
        None => (Err(Fault::Unclosed), marker.outer),
        Some(inner) => {
            let span = trimmed(text, inner);
            let answer = &text[span.clone()];
            if answer.is_empty() { (Err(Fault::Empty), marker.outer) } else { (Ok(answer), span) }
        }
    };
    Extraction { answer, span, tier: Some(tier) }
}

/// Where the last `bytes` bytes begin, at the boundary of a character.
fn tail(text: &str, bytes: usize) -> usize {
    let mut start = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    start
}

fn last_of(text: &str, start: usize, tier: Tier) -> Option<Marker> {
    match tier {
        Tier::Boxed => marker::last(text, start, boxed::next),
        Tier::AnswerTag => marker::last(text, start, tag::next),
        Tier::Hash => marker::last(text, start, tag::next_hash),
        Tier::Hope => phrase::hope(text, start),
        Tier::FinalAnswer => phrase::last(text, start, true),
        Tier::Answer => phrase::last(text, start, false),
        Tier::Environment => environment::last(text, start).map(Marker::whole),
        Tier::LastNumber => last::number(text, start).map(Marker::whole),
        Tier::LastMath => last::math(text, start).map(Marker::whole),
    }
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inside = &text[range.clone()];
    let start = range.start + (inside.len() - inside.trim_start().len());
    start..start + inside.trim().len()
}
