//! Lists, tuples and sets.

use crate::equal::Compare;
use crate::exact::Fraction;
use crate::value::Value;
use crate::{Path, Reason, Verdict};

/// Most elements that are matched pair by pair.
const MAX_MATCHED: usize = 200;

impl Compare<'_> {
    pub(super) fn collections(&self, gold: &Value, answer: &Value) -> Verdict {
        use Value::{List, Set, Tuple};
        match (gold, answer) {
            (List(a) | Set(a), List(b) | Set(b)) => self.unordered(a, b),
            (Tuple { items: a, open, close }, List(b))
            | (List(a), Tuple { items: b, open, close }) => {
                if open != close {
                    return Verdict::NotEqual(Path::Kind);
                }
                self.without_brackets(a, b)
            }
            (Tuple { items: a, .. }, Set(b)) => self.tuple_and_set(a, b, true),
            (Set(a), Tuple { items: b, .. }) => self.tuple_and_set(a, b, false),
            (Value::Union(a), Value::Union(b))
            | (Value::Intersection(a), Value::Intersection(b)) => match self.unordered(a, b) {
                Verdict::Equal(_) => Verdict::Equal(Path::Collection),
                _ => Verdict::Unknown(Reason::Undecided),
            },
            (Value::Without(a, b), Value::Without(c, d)) => {
                if self.same(a, c) && self.same(b, d) {
                    Verdict::Equal(Path::Collection)
                } else {
                    Verdict::Unknown(Reason::Undecided)
                }
            }
            (List(a) | Set(a), _) if is_single(answer) => self.only(a, answer, true),
            (_, List(b) | Set(b)) if is_single(gold) => self.only(b, gold, false),
            (Value::Text(_), _) | (_, Value::Text(_)) => Verdict::Unknown(Reason::Words),
            _ => Verdict::NotEqual(Path::Kind),
        }
    }

    /// A collection against one value: equal if that is all there is in it.
    fn only(&self, items: &[Value], value: &Value, collection_first: bool) -> Verdict {
        let verdicts = items.iter().map(|item| {
            if collection_first { self.values(item, value) } else { self.values(value, item) }
        });
        if items.is_empty() {
            Verdict::NotEqual(Path::Kind)
        } else {
            self.every(verdicts, Path::Collection)
        }
    }

    /// A tuple and the same without brackets. In another order it may have been a set.
    fn without_brackets(&self, a: &[Value], b: &[Value]) -> Verdict {
        if a.len() == b.len() {
            let ordered =
                self.every(a.iter().zip(b).map(|(a, b)| self.values(a, b)), Path::Convention);
            if ordered.is_equal() {
                return ordered;
            }
        }
        match self.unordered(a, b) {
            Verdict::Equal(_) => Verdict::Unknown(Reason::Surroundings),
            verdict => verdict,
        }
    }

    fn tuple_and_set(&self, a: &[Value], b: &[Value], tuple_first: bool) -> Verdict {
        if self.loose() && tuple_first {
            if a.len() != b.len() {
                return Verdict::NotEqual(Path::Collection);
            }
            return self.every(a.iter().zip(b).map(|(a, b)| self.values(a, b)), Path::Convention);
        }
        match self.unordered(a, b) {
            Verdict::Equal(_) if self.loose() => Verdict::Equal(Path::Convention),
            Verdict::Equal(_) => Verdict::Unknown(Reason::Surroundings),
            verdict => verdict,
        }
    }

    /// Elements in any order, each counted once.
    pub(super) fn unordered(&self, a: &[Value], b: &[Value]) -> Verdict {
        if a.iter().chain(b).any(|value| matches!(value, Value::Ellipsis)) {
            if a.len() != b.len() {
                return Verdict::NotEqual(Path::Collection);
            }
            return self.every(a.iter().zip(b).map(|(a, b)| self.values(a, b)), Path::Collection);
        }
        if let (Some(a), Some(b)) = (sorted_numbers(a), sorted_numbers(b)) {
            let rational = |numbers: &[&Fraction]| numbers.iter().all(|n| n.rational().is_some());
            // Equal forms are equal values; different ones only if all are rational.
            if a == b || rational(&a) && rational(&b) {
                return crate::equal::decided(a == b, Path::Collection);
            }
        }
        if a.len().max(b.len()) > MAX_MATCHED {
            return Verdict::Unknown(Reason::OverLimit);
        }
        self.matching(a, b)
    }

    /// Every element needs an equal one on the other side. Equality of elements is transitive as
    /// far as it goes, so that repeated ones fall together.
    fn matching(&self, a: &[Value], b: &[Value]) -> Verdict {
        let mut matched = vec![false; b.len()];
        let mut unknown = None;
        for gold in a {
            let mut partner = false;
            for (at, answer) in b.iter().enumerate() {
                match self.values(gold, answer) {
                    Verdict::Equal(_) => {
                        matched[at] = true;
                        partner = true;
                    }
                    Verdict::NotEqual(_) => {}
                    verdict => unknown = unknown.or(Some(verdict)),
                }
                if partner && matched.iter().all(|m| *m) {
                    break;
                }
            }
            if !partner {
                return unknown.unwrap_or(Verdict::NotEqual(Path::Collection));
            }
        }
        if matched.iter().all(|m| *m) {
            return Verdict::Equal(Path::Collection);
        }
        unknown.unwrap_or(Verdict::NotEqual(Path::Collection))
    }
}

fn is_single(value: &Value) -> bool {
    matches!(
        value,
        Value::Scalar(_)
            | Value::Text(_)
            | Value::Choice(..)
            | Value::Matrix(_)
            | Value::Infinity(_)
    )
}

/// The elements in the order of their forms and once each, if all are plain numbers.
fn sorted_numbers(values: &[Value]) -> Option<Vec<&Fraction>> {
    let mut numbers = values.iter().map(Value::as_number).collect::<Option<Vec<_>>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}
