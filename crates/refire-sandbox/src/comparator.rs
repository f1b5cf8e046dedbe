use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// When an output is the expected one. Chosen per data set: what is lenient for one is wrong for
/// another.
///
/// ```
/// use refire_sandbox::Comparator;
/// assert!(Comparator::Lines.accepts("1\n2\n", "1 \n2"));
/// assert!(!Comparator::Lines.accepts("1\n2\n", "1\n"));
/// assert!(Comparator::Float { absolute: 1e-6, relative: 0.0 }.accepts("0.5", "0.5000001"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Comparator {
    /// The same lines, and as many. White space at the end of a line and empty lines at the end of
    /// the output don't count.
    #[default]
    Lines,
    /// The same words, wherever lines end.
    Tokens,
    /// The same words, where two numbers are equal if `|a - b| <= absolute + relative * |b|`, `b`
    /// being expected. Infinities and NaN equal only themselves.
    Float {
        /// Absolute part.
        absolute: f64,
        /// Relative part.
        relative: f64,
    },
    /// The same lines as often, in any order.
    Unordered,
    /// A Python program that is given the paths of the input, the output and the expected output,
    /// accepts by exit status 0 and refuses by exit status 1, as checkers of contests do. It runs in
    /// a sandbox of its own.
    ///
    /// Any other end, an uncaught exception among them, decides nothing. Then it is asked about the
    /// expected output: if it accepts that, the output it could not read is wrong; if not, the
    /// checker is broken, and the verdict is [`Verdict::Infra`](crate::Verdict::Infra).
    Checker {
        /// Its source.
        program: String,
    },
}

impl Comparator {
    /// Whether `output` is accepted where `expected` was. A checker, which has to run, accepts
    /// nothing here.
    pub fn accepts(&self, expected: &str, output: &str) -> bool {
        match self {
            Self::Lines => lines(expected) == lines(output),
            Self::Tokens => expected.split_whitespace().eq(output.split_whitespace()),
            Self::Float { absolute, relative } => {
                let (mut expected, mut found) =
                    (expected.split_whitespace(), output.split_whitespace());
                loop {
                    match (expected.next(), found.next()) {
                        (None, None) => return true,
                        (Some(a), Some(b)) if same_number(a, b, *absolute, *relative) => {}
                        _ => return false,
                    }
                }
            }
            Self::Unordered => counts(expected) == counts(output),
            Self::Checker { .. } => false,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), SandboxError> {
        let reason = match self {
            Self::Float { absolute, relative } if !(*absolute >= 0.0 && *relative >= 0.0) => {
                "a tolerance is negative or not a number"
            }
            Self::Checker { program } if program.trim().is_empty() => "the checker is empty",
            _ => return Ok(()),
        };
        Err(SandboxError::Suite { reason: reason.to_owned() })
    }
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

fn counts(text: &str) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for line in lines(text) {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

fn same_number(expected: &str, found: &str, absolute: f64, relative: f64) -> bool {
    if expected == found {
        return true;
    }
    match (expected.parse::<f64>(), found.parse::<f64>()) {
        (Ok(a), Ok(b)) if a.is_finite() && b.is_finite() => {
            (a - b).abs() <= absolute + relative * a.abs()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_must_be_as_many() {
        let lines = Comparator::Lines;
        assert!(lines.accepts("1\n2\n3\n", "1\n2 \n3\t\n\n\n"));
        assert!(lines.accepts("a\r\nb\r\n", "a\nb"));
        for wrong in ["", "1", "1\n2", "1\n2\n3\n4", "1\n\n2\n3", " 1\n2\n3", "1 2 3"] {
            assert!(!lines.accepts("1\n2\n3\n", wrong), "{wrong:?}");
        }
        assert!(lines.accepts("", "\n"));
    }

    #[test]
    fn tokens_ignore_lines() {
        assert!(Comparator::Tokens.accepts("1 2\n3", "1\n2 3\n"));
        assert!(!Comparator::Tokens.accepts("1 2\n3", "1 2"));
        assert!(!Comparator::Tokens.accepts("1 2", "12"));
    }

    #[test]
    fn floats_have_a_tolerance_and_nan_has_none() {
        let float = Comparator::Float { absolute: 1e-6, relative: 1e-6 };
        assert!(float.accepts("1.5 ok", "1.5000001 ok"));
        assert!(float.accepts("1000000", "1000000.5"));
        for wrong in ["nan ok", "1.6 ok", "1.5", "1.5 no", "inf ok", "1.5 ok 1"] {
            assert!(!float.accepts("1.5 ok", wrong), "{wrong}");
        }
        assert!(float.accepts("nan", "nan"));
        assert!(!float.accepts("inf", "-inf"));
    }

    #[test]
    fn unordered_counts() {
        assert!(Comparator::Unordered.accepts("a\nb\na", "a\na\nb\n"));
        assert!(!Comparator::Unordered.accepts("a\nb\na", "a\nb\nb"));
        assert!(!Comparator::Unordered.accepts("a\nb", "a"));
    }

    #[test]
    fn a_checker_has_to_run() {
        let checker = Comparator::Checker { program: "exit(0)".into() };
        assert!(!checker.accepts("", ""));
        assert!(checker.validate().is_ok());
        assert!(Comparator::Checker { program: " ".into() }.validate().is_err());
        assert!(Comparator::Float { absolute: f64::NAN, relative: 0.0 }.validate().is_err());
    }
}
