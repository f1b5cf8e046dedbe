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
    /// The normalised texts are the same, or both are words and the words are.
    Text,
    /// Both are choices of a list of options.
    Choice,
    /// Exact rationals.
    Rational,
    /// Exact normal forms over radicals, constants, symbols and functions.
    Exact,
    /// Algebraic numbers that are closer than two different ones can be.
    Separation,
    /// Certified bounds that don't meet.
    Numeric,
    /// A decimal against an exact value, by the digits that the profile asks for.
    Decimal,
    /// Percentages.
    Percent,
    /// Amounts with units.
    Unit,
    /// Only one side states a unit, or the base of a numeral; the numbers were compared.
    UnitDropped,
    /// Only one side names what it is the value of; the values were compared.
    LabelDropped,
    /// Different kinds of values.
    Kind,
    /// Lists, tuples, sets and records, element by element.
    Collection,
    /// Equal by a way of writing: a list without brackets or a column of numbers against a tuple in
    /// the same order, a comma that groups digits or separates a list, letters in another case or typeface.
    Convention,
    /// Sets of reals.
    Region,
    /// Matrices, entry by entry.
    Matrix,
    /// Equations, up to a nonzero factor.
    Equation,
    /// Inequalities.
    Inequality,
    /// A chain of equations of which one doesn't hold.
    FalseChain,
    /// Times of day.
    Time,
    /// Ratios.
    Ratio,
    /// The value is right and written in a form that the profile doesn't accept.
    Form,
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
    /// Different words: they may still mean the same.
    Words,
    /// The values agree as far as they can be compared, but what surrounds them doesn't: names,
    /// brackets, words behind a number.
    Surroundings,
    /// A computation would be larger than the [`Limits`](crate::Limits) allow.
    OverLimit,
    /// Neither a proof of equality nor one of difference was found.
    Undecided,
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
