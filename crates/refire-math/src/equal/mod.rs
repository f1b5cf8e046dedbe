//! Whether two answers are the same.

mod chain;
mod collection;
mod equation;
mod kind;
mod near;
mod number;
mod region;
mod scalar;

use crate::fuel::{Fuel, Stop};
use crate::reading::Reading;
use crate::value::Value;
use crate::{Fault, Path, Profile, Reason, Verdict};

/// One comparison with its budget.
#[derive(Debug)]
pub(crate) struct Compare<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) fuel: Fuel,
}

/// The verdict on two readings.
pub(crate) fn compare(gold: &Reading, answer: &Reading, profile: &Profile) -> Verdict {
    if gold.text == answer.text {
        return Verdict::Equal(Path::Text);
    }
    let verdict = by_value(gold, answer, profile);
    if verdict.is_equal() {
        return verdict;
    }
    // What is written alike is the same answer, whatever it means.
    if gold.key == answer.key || same_letters(&gold.key, &answer.key) {
        return Verdict::Equal(Path::Convention);
    }
    verdict
}

fn by_value(gold: &Reading, answer: &Reading, profile: &Profile) -> Verdict {
    let (gold_value, answer_value) = match (&gold.value, &answer.value) {
        (Ok(gold), Ok(answer)) => (gold, answer),
        (Err(_), _) => return Verdict::Unknown(Reason::Gold(fault(gold))),
        (_, Err(_)) => return Verdict::Unknown(Reason::Answer(fault(answer))),
    };
    let compare = Compare { profile, fuel: Fuel::new(profile.limits.max_steps) };
    let first = compare.values(gold_value, answer_value);
    if first.is_equal() {
        return first;
    }
    // A comma that may group digits or separate a list means what makes the two agree.
    let other = match (&gold.listed, &answer.listed) {
        (Some(gold), None) => compare.values(gold, answer_value),
        (None, Some(answer)) => compare.values(gold_value, answer),
        _ => return first,
    };
    if other.is_equal() { Verdict::Equal(Path::Convention) } else { first }
}

/// Whether both are letters only, and the same ones but for their case: words and options are
/// written either way.
fn same_letters(a: &str, b: &str) -> bool {
    let letters = |text: &'_ str| text.bytes().all(|b| b.is_ascii_alphabetic() || b == b' ');
    let bare = |text: &str| {
        text.bytes().filter(|b| *b != b' ').map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    letters(a) && letters(b) && bare(a) == bare(b)
}

fn fault(reading: &Reading) -> Fault {
    reading.fault().unwrap_or(Fault::Unreadable)
}

/// The verdict where a computation was given up.
pub(crate) fn stopped(stop: Stop) -> Verdict {
    Verdict::Unknown(match stop {
        Stop::Fuel | Stop::TooBig => Reason::OverLimit,
        Stop::Undefined | Stop::Unsupported => Reason::Undecided,
    })
}

pub(crate) fn decided(equal: bool, path: Path) -> Verdict {
    if equal { Verdict::Equal(path) } else { Verdict::NotEqual(path) }
}

impl Compare<'_> {
    pub(crate) fn values(&self, gold: &Value, answer: &Value) -> Verdict {
        if let Err(stop) = self.fuel.spend(4) {
            return stopped(stop);
        }
        if is_statement(gold) || is_statement(answer) {
            return self.statements(gold, answer);
        }
        self.kinds(gold, answer)
    }

    pub(crate) fn same(&self, gold: &Value, answer: &Value) -> bool {
        self.values(gold, answer).is_equal()
    }
}

/// Whether a value says something about something, instead of being something.
fn is_statement(value: &Value) -> bool {
    matches!(value, Value::Relation(_) | Value::System(..) | Value::Labelled(..) | Value::Record(_))
}
