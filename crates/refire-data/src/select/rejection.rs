use super::{Attempt, Attempts, edit_distance};
use crate::text::Words;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Which right answers go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they were sampled.
    #[default]
    Sampled,
    /// The shortest first.
    Shortest,
    /// The longest first.
    Longest,
    /// The shortest first, then each time the one farthest (in word edits) from those taken.
    Diverse,
}

/// Which right answers are taken for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distinct {
    /// Those of equal words.
    #[default]
    Words,
    /// Those with the same list of equations, as RFT (Yuan et al., arXiv 2308.01825); answers
    /// without an equation are compared by their words.
    Equations,
    /// None.
    No,
}

/// Rejection sampling: of many answers to a question, the verified ones that are worth keeping.
///
/// ```
/// use refire_data::{Attempt, Attempts, Order, RejectionSampling};
/// let attempt = |text: &str, correct| Attempt { text: text.into(), correct: Some(correct), ..Attempt::default() };
/// let asked = Attempts {
///     attempts: vec![attempt("2 + 3 = 5, so 5", true), attempt("5", true), attempt("6", false)],
///     ..Attempts::default()
/// };
/// let rule = RejectionSampling { cap: 1, order: Order::Shortest, ..RejectionSampling::default() };
/// assert_eq!(rule.select(&asked)[0].text, "5");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RejectionSampling {
    /// Most answers kept of a question, so that easy ones don't crowd out the rest. 4.
    pub cap: usize,
    /// Which go first.
    pub order: Order,
    /// Which are the same.
    pub distinct: Distinct,
}

impl Default for RejectionSampling {
    fn default() -> Self {
        Self { cap: 4, order: Order::Sampled, distinct: Distinct::Words }
    }
}

impl RejectionSampling {
    /// The answers to keep.
    pub fn select<'a>(&self, asked: &'a Attempts) -> Vec<&'a Attempt> {
        let mut seen = HashSet::new();
        let mut right = asked.right();
        right.retain(|attempt| self.key(attempt).is_none_or(|key| seen.insert(key)));
        match self.order {
            Order::Sampled => {}
            Order::Shortest => right.sort_by_key(|attempt| attempt.length()),
            Order::Longest => right.sort_by_key(|attempt| std::cmp::Reverse(attempt.length())),
            Order::Diverse => right = diverse(right, self.cap),
        }
        right.truncate(self.cap);
        right
    }

    fn key(&self, attempt: &Attempt) -> Option<Vec<u8>> {
        let words = || {
            let hashes = Words::default().hashes(&attempt.text);
            hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect()
        };
        match self.distinct {
            Distinct::No => None,
            Distinct::Words => Some(words()),
            Distinct::Equations => {
                let found = equations(&attempt.text);
                Some(if found.is_empty() { words() } else { found.join(";").into_bytes() })
            }
        }
    }
}

/// The equations of a text in order, without spaces, currency signs and thousands separators:
/// stretches of numbers and operators that hold a `=`.
///
/// ```
/// assert_eq!(refire_data::equations("She earns 12/60 = $0.2 a minute, 50*0.2=10."), ["12/60=0.2", "50*0.2=10"]);
/// ```
pub fn equations(text: &str) -> Vec<String> {
    let found = runs(text).into_iter().filter_map(|(_, run)| clean(&run));
    found.collect()
}

/// The equations whose left side stands whole in the text and has something to calculate: nothing
/// before it belongs to it (an operator, a word like "times" cut off).
///
/// Each as it stands, and as [`equations`] writes it.
pub(crate) fn whole_equations(text: &str) -> Vec<(String, String)> {
    let operator = |c: char| "+-*/×÷".contains(c);
    let whole = runs(text).into_iter().filter(|(before, run)| {
        let start = run.trim_start_matches([' ', '$', '€', '£', '(']);
        let left = start.split('=').next().unwrap_or(start).trim();
        let joined =
            before.is_some_and(|c| c.is_alphanumeric() || c == '.') && !run.starts_with(' ');
        !joined
            && start.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && left.contains(operator)
            && !left.ends_with(operator)
    });
    let both = |run: String| {
        Some((run.trim_start().trim_end_matches([' ', '.', ',']).to_owned(), clean(&run)?))
    };
    whole.filter_map(|(_, run)| both(run)).collect()
}

/// Stretches of numbers and operators, each with the character before it. An `x` between spaces and
/// numbers is a sign of multiplication.
fn runs(text: &str) -> Vec<(Option<char>, String)> {
    let text = text.replace(" x ", " * ");
    let part = |c: char| c.is_ascii_digit() || ".,+-*/×÷=()%^ $€£".contains(c);
    let (mut found, mut run, mut before, mut last) = (Vec::new(), String::new(), None, None);
    for c in text.chars().chain(['\n']) {
        if part(c) {
            if run.is_empty() {
                before = last;
            }
            run.push(c);
        } else if !run.is_empty() {
            found.push((before, std::mem::take(&mut run)));
        }
        last = Some(c);
    }
    // A comma before a space ends an equation.
    let split = found.into_iter().flat_map(|(before, run)| {
        let pieces = run.split(", ").enumerate();
        let before = |at: usize| if at == 0 { before } else { Some(',') };
        pieces.map(|(at, piece)| (before(at), piece.to_owned())).collect::<Vec<_>>()
    });
    split.collect()
}

fn clean(run: &str) -> Option<String> {
    let kept = run.chars().filter(|c| !" $€£,".contains(*c));
    let equation = kept.collect::<String>();
    let equation = equation.trim_start_matches(['(', ')', '-', '+']);
    let equation = equation.trim_end_matches(['.', '(', ')', '-', '+']).to_owned();
    let sides: Vec<&str> = equation.split('=').collect();
    let numbers = sides.iter().all(|side| side.contains(|c: char| c.is_ascii_digit()));
    (sides.len() > 1 && numbers).then_some(equation)
}

fn diverse(mut right: Vec<&Attempt>, cap: usize) -> Vec<&Attempt> {
    right.sort_by_key(|attempt| attempt.length());
    let words: Vec<Vec<u64>> =
        right.iter().map(|attempt| Words::default().hashes(&attempt.text)).collect();
    let mut taken: Vec<usize> = Vec::new();
    while taken.len() < cap.min(right.len()) {
        let distance = |at: usize| {
            taken.iter().map(|other| edit_distance(&words[at], &words[*other])).min().unwrap_or(0)
        };
        // The first of equally far ones is the shortest.
        let free = (0..right.len()).filter(|at| !taken.contains(at));
        let best = free.max_by_key(|at| (distance(*at), std::cmp::Reverse(*at)));
        taken.extend(best);
    }
    taken.into_iter().map(|at| right[at]).collect()
}
