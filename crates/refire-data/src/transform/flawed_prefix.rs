use super::split_steps;
use crate::select::whole_equations;
use refire_core::Stream;
use serde::{Deserialize, Serialize};

/// What error was planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// A digit of a result was changed.
    Digit,
    /// An operator was exchanged, and its result left.
    Operator,
    /// A term was dropped, and its result left.
    DroppedTerm,
}

/// The beginning of a solution with exactly one planted error at its end: to be prefilled, so that
/// a policy learns to notice and recover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlawedPrefix {
    /// The steps up to and with the wrong one.
    pub text: String,
    /// Index of the wrong step.
    pub step: usize,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// The equation as it was.
    pub before: String,
    /// The equation as it is now.
    pub after: String,
}

/// Plants one error into a worked solution, in a step drawn among those with an equation of the
/// form `terms = number`, and cuts off what follows. `None` without such a step.
///
/// ```
/// use refire_core::{Purpose, Stream};
/// let draw = Stream::new(0, Purpose::named("example"), 0, 0, 0);
/// let flawed = refire_data::flawed_prefix("He has 2+3=5 pens.\nSo 5*4=20 in all.", draw).unwrap();
/// assert_ne!(flawed.before, flawed.after);
/// ```
pub fn flawed_prefix(solution: &str, mut draw: Stream) -> Option<FlawedPrefix> {
    let steps = split_steps(solution);
    let mut order: Vec<usize> = (0..steps.len()).collect();
    draw.shuffle(&mut order);
    for step in order {
        let range = steps[step].clone();
        let text = &solution[range.clone()];
        let mut found = whole_equations(text);
        found.retain(|(standing, _)| text.contains(standing));
        draw.shuffle(&mut found);
        for (before, equation) in found {
            let Some((after, flaw)) = flaw(&equation, &mut draw) else { continue };
            let Some((start, end)) = text.split_once(&before) else { continue };
            let text = format!("{}{start}{after}{end}", &solution[..range.start]);
            return Some(FlawedPrefix { text, step, flaw, before, after });
        }
    }
    None
}

/// The equation with one error, by the first kind that fits in a drawn order.
fn flaw(equation: &str, draw: &mut Stream) -> Option<(String, Flaw)> {
    let (terms, result) = equation.rsplit_once('=')?;
    let mut kinds = [Flaw::Digit, Flaw::Operator, Flaw::DroppedTerm];
    draw.shuffle(&mut kinds);
    kinds.into_iter().find_map(|kind| {
        let wrong = match kind {
            Flaw::Digit => format!("{terms}={}", other_digit(result, draw)?),
            Flaw::Operator => format!("{}={result}", other_operator(terms, draw)?),
            Flaw::DroppedTerm => {
                let (rest, last) = terms.rsplit_once(['+', '-'])?;
                // What is left must still be something to calculate.
                let plain = !last.is_empty()
                    && rest.contains(['+', '-', '*', '/'])
                    && !rest.ends_with(['*', '/', '(']);
                format!("{}={result}", plain.then_some(rest)?)
            }
        };
        still_wrong(&wrong).then_some((wrong, kind))
    })
}

fn other_digit(number: &str, draw: &mut Stream) -> Option<String> {
    let places: Vec<usize> =
        number.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
    let at = *places.get(draw.below(places.len()))?;
    let old = number.as_bytes()[at] - b'0';
    // A number doesn't begin with 0.
    let new = loop {
        let new = (old + 1 + draw.below(9) as u8) % 10;
        if new != 0 || at > 0 {
            break new;
        }
    };
    Some(format!("{}{new}{}", &number[..at], &number[at + 1..]))
}

fn other_operator(terms: &str, draw: &mut Stream) -> Option<String> {
    let operators = ['+', '-', '*', '/'];
    let places: Vec<usize> =
        terms.match_indices(operators).map(|(at, _)| at).filter(|at| *at > 0).collect();
    let at = *places.get(draw.below(places.len()))?;
    let old = terms[at..].chars().next()?;
    let others: Vec<char> = operators.into_iter().filter(|operator| *operator != old).collect();
    Some(format!("{}{}{}", &terms[..at], others[draw.below(3)], &terms[at + 1..]))
}

/// False if the changed equation happens to hold (`2+2=4` and `2*2=4`), or can't be read.
fn still_wrong(equation: &str) -> bool {
    let Some((terms, result)) = equation.rsplit_once('=') else { return false };
    let terms = terms.rsplit('=').next().unwrap_or(terms);
    match (value(terms), value(result)) {
        (Some(a), Some(b)) => (a - b).abs() > 1e-9 * a.abs().max(1.0),
        _ => false,
    }
}

/// The value of a sum of products of plain numbers.
pub(super) fn value(terms: &str) -> Option<f64> {
    let terms = terms.replace('×', "*").replace('÷', "/");
    let (mut sum, mut product, mut operator, mut number) = (0.0, None, '+', String::new());
    for c in terms.chars().chain(['+']) {
        let sign = number.is_empty() && c == '-';
        if c.is_ascii_digit() || c == '.' || c == '%' || sign {
            number.push(c);
            continue;
        }
        let plain = number.trim_end_matches('%');
        let mut next: f64 = plain.parse().ok()?;
        if plain.len() < number.len() {
            next /= 100.0;
        }
        number.clear();
        match operator {
            '*' => next *= product.take()?,
            '/' => next = product.take()? / next,
            '+' | '-' => {
                sum += product.take().unwrap_or(0.0);
                if operator == '-' {
                    next = -next;
                }
            }
            _ => return None,
        }
        product = Some(next);
        operator = c;
    }
    Some(sum + product.unwrap_or(0.0)).filter(|value: &f64| value.is_finite())
}
