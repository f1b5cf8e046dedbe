//! One answer, read once: its normalised text and, where it is one, its exact value.

use num_rational::BigRational;

use crate::{Fault, Path, Profile, Reason, Verdict, number, wrapper};

/// An exact value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(BigRational),
    Percent(BigRational),
}

/// Why an answer has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    NotANumber,
    OverLimit,
}

#[derive(Debug, Clone)]
pub(crate) struct Reading {
    text: String,
    value: Result<Value, Unread>,
}

impl Reading {
    pub(crate) fn new(raw: &str, profile: &Profile) -> Result<Self, Fault> {
        if raw.len() > profile.limits.max_answer_bytes {
            return Err(Fault::TooLong);
        }
        let bare = wrapper::unwrap(raw);
        if bare.is_empty() {
            return Err(Fault::Empty);
        }
        // A number may end its sentence; text keeps its dots.
        let sentence = bare.strip_suffix('.').map_or(bare, wrapper::unwrap);
        let value = number::read(sentence, &profile.limits, profile.percent);
        Ok(Self { text: bare.split_whitespace().collect::<Vec<_>>().join(" "), value })
    }

    pub(crate) fn compare(&self, other: &Self) -> Verdict {
        match (&self.value, &other.value) {
            (Ok(Value::Number(a)), Ok(Value::Number(b))) => decided(a == b, Path::Rational),
            (Ok(Value::Percent(a)), Ok(Value::Percent(b))) => decided(a == b, Path::Percent),
            (Ok(_), Ok(_)) => Verdict::NotEqual(Path::Kind),
            _ if self.text == other.text => Verdict::Equal(Path::Text),
            (Err(Unread::OverLimit), _) | (_, Err(Unread::OverLimit)) => {
                Verdict::Unknown(Reason::OverLimit)
            }
            _ => Verdict::Unknown(Reason::NotANumber),
        }
    }
}

fn decided(equal: bool, path: Path) -> Verdict {
    if equal { Verdict::Equal(path) } else { Verdict::NotEqual(path) }
}
