use serde::{Deserialize, Serialize};

use crate::{ExtractRules, MathError, Tier};

/// Bounds on what is read and computed. Beyond one of them the verdict is
/// [`Unknown`](crate::Verdict::Unknown), never a guess from a part of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest completion that is scanned, in bytes.
    pub max_completion_bytes: usize,
    /// Longest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// Steps for reading one answer and for comparing two; a step is about one operation on
    /// machine words. It replaces a clock, so that verdicts are the same on every machine.
    pub max_steps: u64,
}

impl Default for Limits {
    /// Far beyond the answers of GSM8K, MATH and AIME, and a few milliseconds at the worst.
    fn default() -> Self {
        Self { max_completion_bytes: 4 << 20, max_answer_bytes: 16 << 10, max_steps: 60_000 }
    }
}

impl Limits {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<MathError> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, field, value: String, expected| {
            if !ok {
                problems.push(MathError::OutOfRange { field, value, expected });
            }
        };
        let completion = self.max_completion_bytes;
        check(completion > 0, "limits.max_completion_bytes", completion.to_string(), "at least 1");
        let answer = (1..=1 << 20).contains(&self.max_answer_bytes);
        let bytes = self.max_answer_bytes.to_string();
        check(answer, "limits.max_answer_bytes", bytes, "from 1 to 1048576");
        let steps = (1..=100_000_000).contains(&self.max_steps);
        check(steps, "limits.max_steps", self.max_steps.to_string(), "from 1 to 100000000");
        problems
    }
}

/// What `50%` is worth.
///
/// One meaning at a time keeps equality transitive: Math-Verify holds 50, 50% and 0.5 pairwise
/// equal in some orders and not in others.
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
    /// `50%` equals both `50` and `0.5`, as in Math-Verify.
    Either,
}

/// When a decimal equals a value that it only approximates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DecimalRule {
    /// Never: `0.3333` is not a third.
    #[default]
    Exact,
    /// When it is the value rounded to the digits given, and these are at least so many
    /// significant ones.
    Significant(u32),
    /// When both agree rounded to so many places, as in Math-Verify.
    Places(u32),
}

/// Which notations a number may be given in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FormRule {
    /// Any.
    #[default]
    Any,
    /// PRM800K (Lightman et al. 2023): a fraction must be reduced, and for an integer gold the
    /// answer must be an integer literal.
    Reduced,
}

/// Whether the relations of a chain such as `x = 2 + 3 = 5` must hold for its end to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainRule {
    /// Every one: `0 = 42` is false and equals nothing.
    #[default]
    Checked,
    /// The last side counts whatever stands before it, as in Math-Verify and DAPO.
    LastSide,
}

/// Whether a set may be given as the inequality of which it is the solution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SetRule {
    /// In both directions.
    #[default]
    Both,
    /// Only a gold inequality against a set, so that repeating the question's inequality earns
    /// nothing; the default of Math-Verify.
    GoldRelation,
}

/// Whether brackets tell kinds of collections apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BracketRule {
    /// `(1, 2)` is no set; without brackets `1, 2` may be either, and a vector may be a tuple.
    #[default]
    Kinds,
    /// `(1, 2)` equals `{1, 2}` as far as the order agrees, as in Math-Verify.
    Loose,
}

/// Everything that a [`Checker`](crate::Checker) has to know. Presets are values, so every knob
/// can be changed on its own.
///
/// | preset | in short |
/// |---|---|
/// | [`strict`](Self::strict) | mathematics; symmetric |
/// | [`math_verify`](Self::math_verify) | the conventions and asymmetries of Math-Verify |
/// | [`gsm8k`](Self::gsm8k) | `#### 18` first, percent signs dropped |
/// | [`dapo`](Self::dapo) | `Answer: ...` within the last 300 bytes |
/// | [`prm800k`](Self::prm800k) | reduced fractions, integers as integers |
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
    /// How much is read and computed.
    pub limits: Limits,
    /// What a percent sign means.
    pub percent: PercentRule,
    /// What decimals may stand for.
    pub decimals: DecimalRule,
    /// Which notations count.
    pub form: FormRule,
    /// How chains of equations are read.
    pub chains: ChainRule,
    /// How sets and inequalities meet.
    pub sets: SetRule,
    /// How brackets are read.
    pub brackets: BracketRule,
    /// Whether symbols may be renamed: `f(x)` equals `f(y)`.
    pub rename_symbols: bool,
    /// Whether the base of a numeral is dropped: `1011_2` equals `1011`.
    pub drop_bases: bool,
    /// Whether `1,22` is a decimal.
    pub decimal_comma: bool,
}

impl Profile {
    /// The default: the last box, then answer tags, `####`, "the answer is", the last number.
    /// Percent is a kind of its own, decimals are exact, chains are checked. Equality is
    /// symmetric, and transitive among answers that state the same things: see
    /// [`Path::UnitDropped`](crate::Path::UnitDropped).
    pub fn strict() -> Self {
        Self::default()
    }

    /// The conventions of Math-Verify 0.9 with its default flags: `float_rounding` is
    /// [`DecimalRule::Places`], `strict=False` is [`rename_symbols`](Self::rename_symbols),
    /// `allow_set_relation_comp` is [`SetRule::Both`].
    ///
    /// Departures: `1` plus a number below rounding is no longer `1`, tokens are never dropped,
    /// and a box that can't be read is not replaced by something else.
    pub fn math_verify() -> Self {
        Self {
            extract: ExtractRules::math_verify(),
            percent: PercentRule::Either,
            decimals: DecimalRule::Places(6),
            chains: ChainRule::LastSide,
            sets: SetRule::GoldRelation,
            brackets: BracketRule::Loose,
            drop_bases: true,
            decimal_comma: true,
            ..Self::default()
        }
    }

    /// For GSM8K (Cobbe et al. 2021): `#### …` first, and a percent sign is dropped as in the
    /// official `#### (\-?[0-9\.\,]+)`.
    ///
    /// Departures: completions that never write `####` are searched as in [`strict`](Self::strict),
    /// values are compared instead of strings, and a line that holds more than the number is not
    /// cut down to its first number.
    pub fn gsm8k() -> Self {
        let tiers = vec![
            Tier::Hash,
            Tier::Boxed,
            Tier::AnswerTag,
            Tier::FinalAnswer,
            Tier::Answer,
            Tier::LastMath,
        ];
        Self {
            extract: ExtractRules { tiers, ..ExtractRules::default() },
            percent: PercentRule::Number,
            ..Self::default()
        }
    }

    /// For DAPO (Yu et al. 2025): `Answer: …` within the last 300 bytes, or a box there.
    ///
    /// Departures: values are compared instead of normalised strings, and of `0 = 42` the last
    /// side does not count.
    pub fn dapo() -> Self {
        let tiers = vec![Tier::FinalAnswer, Tier::Answer, Tier::Boxed];
        Self {
            extract: ExtractRules { tiers, tail_bytes: Some(300), ..ExtractRules::default() },
            percent: PercentRule::Number,
            ..Self::default()
        }
    }

    /// For PRM800K (Lightman et al. 2023): the last box; fractions reduced, integers as integers.
    pub fn prm800k() -> Self {
        let tiers = vec![Tier::Boxed];
        Self {
            extract: ExtractRules { tiers, ..ExtractRules::default() },
            form: FormRule::Reduced,
            percent: PercentRule::Number,
            ..Self::default()
        }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<MathError> {
        let mut problems = self.extract.validate();
        problems.extend(self.limits.validate());
        let digits = match self.decimals {
            DecimalRule::Exact => 1,
            DecimalRule::Significant(digits) | DecimalRule::Places(digits) => digits,
        };
        if digits > 100 {
            problems.push(MathError::OutOfRange {
                field: "decimals",
                value: digits.to_string(),
                expected: "at most 100 digits",
            });
        }
        problems
    }
}
