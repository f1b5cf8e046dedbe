//! Values that are no statements, by their kinds.

use crate::equal::{Compare, decided};
use crate::exact::{Exponent, Fraction, Gen};
use crate::syntax::Bracket;
use crate::value::{Matrix, Time, Value};
use crate::{BracketRule, Path, Reason, Verdict};

impl Compare<'_> {
    pub(super) fn kinds(&self, gold: &Value, answer: &Value) -> Verdict {
        match (gold, answer) {
            (Value::Scalar(a), Value::Scalar(b)) => self.scalars(a, b),
            (Value::Infinity(a), Value::Infinity(b)) => decided(a == b, Path::Exact),
            (Value::Text(a), Value::Text(b)) if a == b => Verdict::Equal(Path::Text),
            (Value::Text(_), Value::Text(_)) => Verdict::Unknown(Reason::Words),
            (Value::Choice(a, _), Value::Choice(b, _)) => {
                decided(a.eq_ignore_ascii_case(b), Path::Choice)
            }
            (Value::Choice(letter, option), other) => {
                self.choice(*letter, option.as_deref(), other, true)
            }
            (other, Value::Choice(letter, option)) => {
                self.choice(*letter, option.as_deref(), other, false)
            }
            (Value::Ellipsis, Value::Ellipsis) => Verdict::Equal(Path::Exact),
            (Value::Time(a), Value::Time(b)) => times(a, b),
            (Value::Ratio(a), Value::Ratio(b)) => self.ratios(a, b),
            (Value::Ratio(a), Value::Scalar(_)) => self.quotient(a, answer, true),
            (Value::Scalar(_), Value::Ratio(b)) => self.quotient(b, gold, false),
            (Value::Time(time), Value::Ratio(other)) => self.time_as_ratio(time, other),
            (Value::Ratio(other), Value::Time(time)) => self.time_as_ratio(time, other),
            (Value::Matrix(a), Value::Matrix(b)) => self.matrices(a, b),
            (Value::Matrix(matrix), Value::Tuple { items, .. }) => self.vector(matrix, items, true),
            (Value::Tuple { items, .. }, Value::Matrix(matrix)) => {
                self.vector(matrix, items, false)
            }
            (Value::Named(a), Value::Named(b)) => decided(a == b, Path::Kind),
            _ if is_operation(gold) && is_finite(answer)
                || is_finite(gold) && is_operation(answer) =>
            {
                self.regions(gold, answer)
            }
            _ if self.is_region(gold) && self.is_region(answer) && !both_tuples(gold, answer) => {
                self.regions(gold, answer)
            }
            (
                Value::Tuple { open, close, items },
                Value::Tuple { open: o, close: c, items: others },
            ) => self.tuples((*open, *close, items), (*o, *c, others)),
            _ => self.collections(gold, answer),
        }
    }

    /// A marked option against something else: its letter, or what it stands for.
    fn choice(
        &self,
        letter: char,
        option: Option<&Value>,
        other: &Value,
        choice_first: bool,
    ) -> Verdict {
        if let Some(name) = single_letter(other) {
            return decided(name.eq_ignore_ascii_case(&letter), Path::Choice);
        }
        match option {
            Some(option) if choice_first => self.values(option, other),
            Some(option) => self.values(other, option),
            None => Verdict::NotEqual(Path::Kind),
        }
    }

    fn matrices(&self, a: &Matrix, b: &Matrix) -> Verdict {
        if (a.rows, a.columns) != (b.rows, b.columns) {
            return Verdict::NotEqual(Path::Matrix);
        }
        let pairs = a.items.iter().zip(&b.items);
        let numbers = |value: &Fraction| Value::number(value.clone());
        self.every(pairs.map(|(a, b)| self.values(&numbers(a), &numbers(b))), Path::Matrix)
    }

    /// A column or a row against a tuple of as many entries.
    fn vector(&self, matrix: &Matrix, items: &[Value], matrix_first: bool) -> Verdict {
        if matrix.rows.min(matrix.columns) != 1 || matrix.items.len() != items.len() {
            return Verdict::NotEqual(Path::Kind);
        }
        let pairs = matrix.items.iter().zip(items);
        let verdicts = pairs.map(|(entry, item)| {
            let entry = Value::number(entry.clone());
            if matrix_first { self.values(&entry, item) } else { self.values(item, &entry) }
        });
        self.every(verdicts, Path::Convention)
    }

    /// All of the verdicts together: one difference differs, and all must be equal to be equal.
    pub(super) fn every(&self, verdicts: impl Iterator<Item = Verdict>, path: Path) -> Verdict {
        let mut unknown = None;
        for verdict in verdicts {
            match verdict {
                Verdict::Equal(_) => {}
                Verdict::NotEqual(_) => return Verdict::NotEqual(path),
                Verdict::Unknown(_) => unknown = unknown.or(Some(verdict)),
            }
        }
        unknown.unwrap_or(Verdict::Equal(path))
    }

    fn tuples(
        &self,
        (open, close, items): (Bracket, Bracket, &[Value]),
        (other_open, other_close, others): (Bracket, Bracket, &[Value]),
    ) -> Verdict {
        if items.len() != others.len() {
            return Verdict::NotEqual(Path::Collection);
        }
        let ordered =
            self.every(items.iter().zip(others).map(|(a, b)| self.values(a, b)), Path::Collection);
        let first = items.first().zip(others.first());
        let last = items.last().zip(others.last());
        let infinite = |pair: Option<(&Value, &Value)>| {
            pair.is_some_and(|(a, b)| matches!((a, b), (Value::Infinity(_), Value::Infinity(_))))
        };
        let same = (round(open) == round(other_open) || infinite(first))
            && (round(close) == round(other_close) || infinite(last));
        if same || !ordered.is_equal() {
            return ordered;
        }
        // Two numbers in brackets may be an interval, more can't be.
        if items.len() == 2 {
            Verdict::NotEqual(Path::Region)
        } else {
            Verdict::Equal(Path::Convention)
        }
    }

    fn ratios(&self, a: &[Value], b: &[Value]) -> Verdict {
        if a.len() != b.len() {
            return Verdict::NotEqual(Path::Ratio);
        }
        let numbers = |items: &[Value]| -> Option<Vec<Fraction>> {
            items.iter().map(|item| item.as_number().cloned()).collect()
        };
        let (Some(x), Some(y)) = (numbers(a), numbers(b)) else {
            return self.every(a.iter().zip(b).map(|(a, b)| self.values(a, b)), Path::Ratio);
        };
        let cross = |k: usize| {
            let left = x[k].mul(&y[0], &self.fuel)?;
            Ok((left, y[k].mul(&x[0], &self.fuel)?))
        };
        let verdicts = (1..x.len()).map(|k| match cross(k) {
            Ok((left, right)) => self.values(&Value::number(left), &Value::number(right)),
            Err(stop) => crate::equal::stopped(stop),
        });
        self.every(verdicts, Path::Ratio)
    }

    /// A ratio of two numbers against their quotient.
    fn quotient(&self, parts: &[Value], other: &Value, ratio_first: bool) -> Verdict {
        let [a, b] = parts else { return Verdict::NotEqual(Path::Kind) };
        let quotient =
            a.as_number().zip(b.as_number()).and_then(|(a, b)| a.div(b, &self.fuel).ok());
        let Some(quotient) = quotient.map(Value::number) else {
            return Verdict::Unknown(Reason::Undecided);
        };
        let verdict =
            if ratio_first { self.values(&quotient, other) } else { self.values(other, &quotient) };
        if verdict.is_equal() { Verdict::Equal(Path::Ratio) } else { verdict }
    }

    fn time_as_ratio(&self, time: &Time, other: &[Value]) -> Verdict {
        if time.afternoon.is_some() {
            return Verdict::NotEqual(Path::Kind);
        }
        let parts: Vec<Value> =
            time.parts.iter().map(|part| Value::number(Fraction::Rational(part.clone()))).collect();
        self.ratios(&parts, other)
    }

    pub(super) fn loose(&self) -> bool {
        self.profile.brackets == BracketRule::Loose
    }
}

/// Whether a set is given as what operations on sets come to.
fn is_operation(value: &Value) -> bool {
    matches!(
        value,
        Value::Union(_) | Value::Intersection(_) | Value::Without(..) | Value::Region(_)
    )
}

fn is_finite(value: &Value) -> bool {
    matches!(value, Value::Set(_) | Value::List(_))
}

fn both_tuples(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Tuple { .. }, Value::Tuple { .. }))
}

fn round(bracket: Bracket) -> bool {
    bracket != Bracket::Square
}

/// The letter, if the value is a symbol of one letter.
fn single_letter(value: &Value) -> Option<char> {
    let number = value.as_number()?.as_poly()?;
    let (monomial, coefficient) = number.as_term()?;
    if !coefficient.is_one() {
        return None;
    }
    match monomial.0.as_slice() {
        [(Gen::Var(name), exponent)] if *exponent == Exponent::ONE => {
            let mut letters = name.chars();
            letters.next().filter(|_| letters.next().is_none())
        }
        [(Gen::I, _)] => Some('i'),
        [(e, exponent)] if *e == Gen::e() && *exponent == Exponent::ONE => Some('e'),
        _ => None,
    }
}

fn times(a: &Time, b: &Time) -> Verdict {
    if let (Some(x), Some(y)) = (a.seconds(), b.seconds()) {
        return decided(x == y, Path::Time);
    }
    if a.parts != b.parts {
        return Verdict::NotEqual(Path::Time);
    }
    if a.afternoon == b.afternoon {
        Verdict::Equal(Path::Time)
    } else {
        Verdict::Equal(Path::UnitDropped)
    }
}
