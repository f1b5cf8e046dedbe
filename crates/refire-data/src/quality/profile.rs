use super::{C4, Cot, FineWeb, Gopher, Repetition, Trace};
use serde::{Deserialize, Serialize};

/// Why a text was turned down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Name of the rule, to count by.
    pub rule: String,
    /// What was found, and what the rule allows.
    pub detail: String,
}

impl Rejection {
    pub(crate) fn new(rule: &str, detail: impl Into<String>) -> Self {
        Self { rule: rule.to_owned(), detail: detail.into() }
    }

    /// A rejection unless `value` is within `low..=high`.
    pub(crate) fn outside(rule: &str, value: f64, low: f64, high: f64) -> Option<Self> {
        let inside = (low..=high).contains(&value);
        (!inside).then(|| Self::new(rule, format!("{value:.4} is not within {low} to {high}")))
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// A set of rules.
///
/// The web profiles are here for comparison: on worked solutions they turn down what is good (of
/// 3,000 gold solutions of GSM8K more than nine in ten by Gopher's rule on letters alone).
///
/// ```
/// use refire_data::{Cot, Profile, Trace};
/// let profile = Profile::Cot(Cot::default());
/// let again = "Wait, let me check that once more. ".repeat(20);
/// let rejection = profile.check(&Trace { prompt: "2 + 3?", response: &again, ..Trace::default() });
/// assert_eq!(rejection.unwrap().rule, "loop");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// Reasoning traces.
    Cot(Cot),
    /// Web pages, by the rules on quality of Gopher.
    Gopher(Gopher),
    /// Web pages, by the rules on repetition of Gopher.
    Repetition(Repetition),
    /// Web pages, by C4's rules.
    C4(C4),
    /// Web pages, by what FineWeb added.
    FineWeb(FineWeb),
}

impl Profile {
    /// The first rule that turns a trace down. The web profiles read prompt and response as one
    /// text, two lines at least.
    pub fn check(&self, trace: &Trace<'_>) -> Option<Rejection> {
        match self {
            Self::Cot(rules) => rules.check(trace),
            web => web.check_text(&format!("{}\n{}", trace.prompt, trace.response)),
        }
    }

    /// The first rule that turns a text down which has no question: a web page, a document. Of the
    /// rules for traces those on loops, repetition and banned phrases apply.
    ///
    /// ```
    /// use refire_data::{Cot, FineWeb, Profile};
    /// let menu = "Home\nShop\nCart\nHelp";
    /// let rejection = Profile::FineWeb(FineWeb::default()).check_text(menu).unwrap();
    /// assert_eq!(rejection.rule, "lines that end in a stop");
    /// assert!(Profile::Cot(Cot::default()).check_text(menu).is_none());
    /// ```
    pub fn check_text(&self, text: &str) -> Option<Rejection> {
        match self {
            Self::Cot(rules) => rules.check_text(text),
            Self::Gopher(rules) => rules.check(text),
            Self::Repetition(rules) => rules.check(text),
            Self::C4(rules) => rules.clean(text).err(),
            Self::FineWeb(rules) => rules.check(text),
        }
    }
}
