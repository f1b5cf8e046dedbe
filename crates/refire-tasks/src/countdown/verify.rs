use super::{Op, Problem};
use thiserror::Error;

/// Why a solution is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// Not of the form `a+b=c;…`.
    #[error("step {step} can't be read")]
    Syntax {
        /// The step, from 1.
        step: usize,
    },
    /// A value that isn't at hand.
    #[error("step {step} uses {value}, which is not at hand")]
    NotAtHand {
        /// The step, from 1.
        step: usize,
        /// The value.
        value: u32,
    },
    /// A wrong result.
    #[error("step {step} is wrong arithmetic")]
    Arithmetic {
        /// The step, from 1.
        step: usize,
    },
    /// Numbers are left over.
    #[error("{count} values are left over")]
    Leftover {
        /// How many.
        count: usize,
    },
    /// The last result isn't the target.
    #[error("it ends at {result}")]
    WrongTarget {
        /// The last result.
        result: u32,
    },
}

/// Checks a worked solution, with or without its final full stop.
///
/// ```
/// use refire_tasks::countdown::{Failure, Problem, verify};
/// let problem = Problem { numbers: vec![3, 4, 5], target: 27 };
/// assert_eq!(verify(&problem, "4+5=9;3*9=27."), Ok(()));
/// assert_eq!(verify(&problem, "3*9=27."), Err(Failure::NotAtHand { step: 1, value: 9 }));
/// ```
///
/// # Errors
/// Says what is wrong first.
pub fn verify(problem: &Problem, text: &str) -> Result<(), Failure> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut hand = problem.numbers.clone();
    let mut last = None;
    for (index, part) in text.split(';').enumerate() {
        let step = index + 1;
        let (a, op, b, result) = parse(part).ok_or(Failure::Syntax { step })?;
        for value in [a, b] {
            let at = hand.iter().position(|h| *h == value);
            hand.swap_remove(at.ok_or(Failure::NotAtHand { step, value })?);
        }
        if op.apply(a, b) != Some(result) {
            return Err(Failure::Arithmetic { step });
        }
        hand.push(result);
        last = Some(result);
    }
    match last {
        _ if hand.len() > 1 => Err(Failure::Leftover { count: hand.len() }),
        Some(result) if result != problem.target => Err(Failure::WrongTarget { result }),
        _ => Ok(()),
    }
}

fn parse(step: &str) -> Option<(u32, Op, u32, u32)> {
    let (left, result) = step.split_once('=')?;
    let op = Op::ALL.into_iter().find(|op| left.contains(op.sign()))?;
    let (a, b) = left.split_once(op.sign())?;
    Some((number(a)?, op, number(b)?, number(result)?))
}

/// Plain digits, at most six, no leading zero.
fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    (plain && !padded).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn render(steps: &[super::super::Step]) -> String {
        let steps: Vec<String> =
            steps.iter().map(|s| format!("{}{}{}={}", s.a, s.op.sign(), s.b, s.result)).collect();
        steps.join(";") + "."
    }

    #[test]
    fn solutions_pass_and_fail_for_any_other_target() {
        for problem in Config::default().problems().unwrap().iter().step_by(7) {
            for solution in problem.solutions(99) {
                let text = render(&solution);
                assert_eq!(verify(problem, &text), Ok(()), "{text}");
                let other = Problem { target: problem.target + 1, ..problem.clone() };
                assert!(verify(&other, &text).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn each_way_to_be_wrong_is_told() {
        let problem = Problem { numbers: vec![3, 4, 5], target: 27 };
        let cases = [
            ("", Failure::Syntax { step: 1 }),
            ("27", Failure::Syntax { step: 1 }),
            ("4+5=9;3*9=27;", Failure::Syntax { step: 3 }),
            ("4+5=09;3*9=27", Failure::Syntax { step: 1 }),
            ("4+5=9;3*9=27.x", Failure::Syntax { step: 2 }),
            ("4+5=8;3*8=24", Failure::Arithmetic { step: 1 }),
            ("4+4=8;3*8=24", Failure::NotAtHand { step: 1, value: 4 }),
            ("3-4=1;5*1=5", Failure::Arithmetic { step: 1 }),
            ("5/3=1;4*1=4", Failure::Arithmetic { step: 1 }),
            ("4+5=9", Failure::Leftover { count: 2 }),
            ("4+5=9;3+9=12", Failure::WrongTarget { result: 12 }),
            ("99999999999+1=2", Failure::Syntax { step: 1 }),
        ];
        for (text, failure) in cases {
            assert_eq!(verify(&problem, text), Err(failure), "{text}");
        }
    }
}
