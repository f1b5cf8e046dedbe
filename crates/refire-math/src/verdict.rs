use serde::Serialize;

use crate::Fault;

/// What is known about two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Shown to be equal, and by which path.
    Equal(Path),
    /// Shown to be different, and by which path.
    NotEqual(Path),
    /// Neither was shown. A caller decides what it is worth: see [`Reason::is_gold`].
    Unknown(Reason),
}

impl Verdict {
    /// True for [`Verdict::Equal`] alone.
    ///
    /// ```
    /// use refire_math::Checker;
    ///
    /// assert!(Checker::default().compare("7", "7.0").is_equal());
    /// ```
    pub fn is_equal(self) -> bool {
        matches!(self, Self::Equal(_))
    }

    /// True for [`Verdict::Equal`] and [`Verdict::NotEqual`].
    pub fn is_decided(self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}

/// The comparison that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Path {
    /// Both are numbers, compared as exact rationals.
    Rational,
    /// Both are percentages, compared as exact rationals.
    Percent,
    /// One is a percentage and the other a plain number, and the profile keeps the two apart.
    Kind,
    /// The normalised texts are the same.
    Text,
}

/// Why a verdict is [`Verdict::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The gold has no readable answer: the data is at fault, not the completion.
    Gold(Fault),
    /// The completion has no readable answer.
    Answer(Fault),
    /// The texts differ and at least one is no number: they may still mean the same.
    NotANumber,
    /// The texts differ and at least one holds more digits or a larger exponent than allowed.
    OverLimit,
}

impl Reason {
    /// True if the gold is at fault. Only then is leaving the sample out harmless: a completion
    /// that is skipped for being unreadable teaches a policy to be unreadable.
    ///
    /// ```
    /// use refire_math::{Checker, Verdict};
    ///
    /// let checker = Checker::default();
    /// let gold_side = |gold, completion| match checker.check(gold, completion) {
    ///     Verdict::Unknown(reason) => reason.is_gold(),
    ///     _ => false,
    /// };
    /// assert!(gold_side("", r"\boxed{5}"));
    /// assert!(!gold_side("5", "I give up."));
    /// ```
    pub fn is_gold(self) -> bool {
        matches!(self, Self::Gold(_))
    }
}
