use serde::{Deserialize, Serialize};

use crate::{ExtractRules, MathError, Tier};

/// Bounds on what is read. Beyond one of them the verdict is
/// [`Unknown`](crate::Verdict::Unknown), never a guess from a part of the input.
///
/// The defaults leave a wide margin over the answers of GSM8K, MATH and AIME, while the largest
/// numbers they allow still compare in about a millisecond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest completion that is scanned, in bytes.
    pub max_completion_bytes: usize,
    /// Longest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// Most decimal digits in one answer, all its parts together; at most 20,000.
    pub max_digits: usize,
    /// Largest absolute exponent of scientific notation; at most 10,000.
    pub max_exponent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_completion_bytes: 4 << 20,
            max_answer_bytes: 16 << 10,
            max_digits: 2_000,
            max_exponent: 1_000,
        }
    }
}

impl Limits {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<MathError> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, field, value: usize, expected| {
            if !ok {
                problems.push(MathError::OutOfRange { field, value: value.to_string(), expected });
            }
        };
        let completion = self.max_completion_bytes;
        check(completion > 0, "limits.max_completion_bytes", completion, "at least 1");
        let answer = self.max_answer_bytes;
        check(answer > 0, "limits.max_answer_bytes", answer, "at least 1");
        let digits = (1..=20_000).contains(&self.max_digits);
        check(digits, "limits.max_digits", self.max_digits, "from 1 to 20000");
        let exponent = self.max_exponent;
        check(exponent <= 10_000, "limits.max_exponent", exponent as usize, "from 0 to 10000");
        problems
    }
}

/// What `50%` is worth.
///
/// One meaning at a time, so that equality stays transitive: Math-Verify holds 50, 50% and 0.5
/// pairwise equal in some orders and not in others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PercentRule {
    /// A kind of its own: `50%` equals `50.0%` and neither `50` nor `0.5`.
    #[default]
    Distinct,
    /// A hundredth: `50%` equals `0.5`.
    Fraction,
    /// The sign is a unit that is dropped: `50%` equals `50`.
    Number,
}

/// Everything that a [`Checker`](crate::Checker) has to know.
///
/// ```
/// use refire_math::{Checker, PercentRule, Profile};
///
/// let profile = Profile { percent: PercentRule::Fraction, ..Profile::strict() };
/// let checker = Checker::new(profile)?;
/// assert!(checker.compare(r"50\%", "1/2").is_equal());
/// # Ok::<(), refire_math::MathError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Where an answer is looked for.
    pub extract: ExtractRules,
    /// How much is read.
    pub limits: Limits,
    /// What a percent sign means.
    pub percent: PercentRule,
}

impl Profile {
    /// The default: `\boxed{…}`, then `<answer>…</answer>`, then `#### …`; percent is its own kind.
    pub fn strict() -> Self {
        Self::default()
    }

    /// For GSM8K (Cobbe et al. 2021): `#### …` first, and a percent sign is dropped as in the
    /// official `#### (\-?[0-9\.\,]+)`.
    ///
    /// Departures: completions that never write `####` may use a box or answer tags, values are
    /// compared instead of strings, and a line that holds more than the number is not cut down to
    /// its first number.
    pub fn gsm8k() -> Self {
        let tiers = vec![Tier::Hash, Tier::Boxed, Tier::AnswerTag];
        Self {
            extract: ExtractRules { tiers, ..ExtractRules::default() },
            percent: PercentRule::Number,
            ..Self::default()
        }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<MathError> {
        let mut problems = self.extract.validate();
        problems.extend(self.limits.validate());
        problems
    }
}
