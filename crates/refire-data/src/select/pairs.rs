use super::{Attempt, Attempts};
use serde::{Deserialize, Serialize};

/// How a better and a worse answer are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PairRule {
    /// The shortest right answer over the longest right one (SkyThought's Flash); needs two right
    /// answers of different length.
    ShortestLongest,
    /// The shortest right answer over the longest wrong one.
    ShortestRightLongestWrong,
    /// The shortest right answer over each wrong one that is longer, and over each right one at
    /// least `ratio` times as long (Kimi k1.5's long2short, with 1.5).
    LongToShort {
        /// Least ratio of lengths.
        ratio: f64,
    },
    /// The best over the worst by the evaluator's reward, if they differ by at least `margin`
    /// (UV-CoT's ranking, with answers for boxes).
    Ranked {
        /// Least difference of rewards.
        margin: f64,
    },
    /// The first right answer over the first wrong one.
    FirstRightWrong,
}

/// A better and a worse answer to one question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair<'a> {
    /// The better one.
    pub chosen: &'a Attempt,
    /// The worse one.
    pub rejected: &'a Attempt,
}

/// The pairs that a rule makes of the answers to a question; none where it finds none.
///
/// ```
/// use refire_data::{Attempt, Attempts, PairRule, pairs};
/// let attempt = |tokens, correct| Attempt { tokens, correct: Some(correct), ..Attempt::default() };
/// let asked = Attempts {
///     attempts: vec![attempt(10, true), attempt(14, true), attempt(16, true), attempt(12, false)],
///     ..Attempts::default()
/// };
/// let lengths = |rule| -> Vec<usize> { pairs(&asked, rule).iter().map(|p| p.rejected.tokens).collect() };
/// assert_eq!(lengths(PairRule::ShortestLongest), [16]);
/// assert_eq!(lengths(PairRule::LongToShort { ratio: 1.5 }), [16, 12]);
/// ```
pub fn pairs(asked: &Attempts, rule: PairRule) -> Vec<Pair<'_>> {
    let (right, wrong) = (asked.right(), asked.wrong());
    // Of equally long ones the first counts.
    let shortest = right.iter().copied().min_by_key(|attempt| attempt.length());
    let longest = |of: &[&'_ Attempt]| -> Option<usize> {
        (0..of.len()).max_by_key(|at| (of[*at].length(), std::cmp::Reverse(*at)))
    };
    match rule {
        PairRule::ShortestLongest => match (shortest, longest(&right).map(|at| right[at])) {
            (Some(chosen), Some(rejected)) if chosen.length() < rejected.length() => {
                vec![Pair { chosen, rejected }]
            }
            _ => Vec::new(),
        },
        PairRule::ShortestRightLongestWrong => match (shortest, longest(&wrong)) {
            (Some(chosen), Some(at)) => vec![Pair { chosen, rejected: wrong[at] }],
            _ => Vec::new(),
        },
        PairRule::LongToShort { ratio } => {
            let Some(chosen) = shortest else { return Vec::new() };
            long_to_short(asked, chosen, ratio)
        }
        PairRule::Ranked { margin } => ranked(asked, margin).into_iter().collect(),
        PairRule::FirstRightWrong => match (right.first(), wrong.first()) {
            (Some(chosen), Some(rejected)) => vec![Pair { chosen, rejected }],
            _ => Vec::new(),
        },
    }
}

/// The chosen answer against every longer wrong one, and every right one at least `ratio` times
/// as long; in sample order.
///
/// ```
/// use refire_data::{Attempt, Attempts, long_to_short};
/// let attempt = |tokens, correct| Attempt { tokens, correct: Some(correct), ..Attempt::default() };
/// let asked = Attempts {
///     attempts: vec![attempt(10, true), attempt(14, true), attempt(16, true), attempt(12, false)],
///     ..Attempts::default()
/// };
/// let pairs = long_to_short(&asked, &asked.attempts[0], 1.5);
/// assert_eq!(pairs.iter().map(|pair| pair.rejected.tokens).collect::<Vec<_>>(), [16, 12]);
/// ```
pub fn long_to_short<'a>(asked: &'a Attempts, chosen: &'a Attempt, ratio: f64) -> Vec<Pair<'a>> {
    let short = chosen.length();
    let worse = |attempt: &&Attempt| match attempt.correct {
        Some(true) => attempt.length() as f64 >= ratio * short as f64 && attempt.length() > short,
        Some(false) => attempt.length() > short,
        None => false,
    };
    asked.attempts.iter().filter(worse).map(|rejected| Pair { chosen, rejected }).collect()
}

fn ranked(asked: &Attempts, margin: f64) -> Option<Pair<'_>> {
    let scored = || asked.attempts.iter().filter_map(|a| Some((a, a.reward?)));
    let (chosen, best) = scored().reduce(|x, y| if y.1 > x.1 { y } else { x })?;
    let (rejected, worst) = scored().reduce(|x, y| if y.1 < x.1 { y } else { x })?;
    (best > worst && best - worst >= margin).then_some(Pair { chosen, rejected })
}
