//! Statements: chains of equations with a name in front, lists with names, memberships.

use crate::canon::is_constant;
use crate::equal::number::rename;
use crate::equal::{Compare, is_statement};
use crate::exact::{Gen, Kernel};
use crate::syntax::RelOp;
use crate::value::{Relation, Value};
use crate::{ChainRule, Path, Reason, SetRule, Verdict};

/// What a statement comes to.
enum Settled<'v> {
    /// A value without a name.
    Plain(&'v Value),
    /// A name and its possible values: more than one where decimals stand for an exact value.
    Named(&'v Value, Vec<&'v Value>),
    /// A chain that ends in one of these, all the same.
    Chain(Vec<&'v Value>),
    /// A chain with a link that doesn't hold.
    False,
    /// Something to be solved.
    Open,
}

impl Compare<'_> {
    pub(super) fn statements(&self, gold: &Value, answer: &Value) -> Verdict {
        if let (Some(a), Some(b)) = (fields(gold), fields(answer)) {
            return self.records(&a, &b);
        }
        match (gold, answer) {
            (Value::Record(a), Value::Record(b)) => return self.records(a, b),
            (Value::Record(fields), other) if !is_statement(other) => {
                return self.record_and_values(fields, other, true);
            }
            (other, Value::Record(fields)) if !is_statement(other) => {
                return self.record_and_values(fields, other, false);
            }
            _ => {}
        }
        match (self.settle(gold), self.settle(answer)) {
            (Settled::False, _) | (_, Settled::False) => Verdict::NotEqual(Path::FalseChain),
            (Settled::Open, Settled::Open) => self.open(gold, answer),
            (Settled::Named(a, values), Settled::Named(b, others)) => {
                self.named((gold, a, &values), (answer, b, &others))
            }
            (Settled::Named(_, values), Settled::Plain(other)) => {
                self.dropped(self.any(&values, &[other]))
            }
            (Settled::Plain(value), Settled::Named(_, others)) => {
                self.dropped(self.any(&[value], &others))
            }
            (Settled::Chain(values), Settled::Chain(others)) => self.any(&values, &others),
            (Settled::Chain(values), Settled::Plain(other)) => self.any(&values, &[other]),
            (Settled::Plain(value), Settled::Chain(others)) => self.any(&[value], &others),
            (Settled::Chain(values), Settled::Named(_, others))
            | (Settled::Named(_, values), Settled::Chain(others)) => {
                self.dropped(self.any(&values, &others))
            }
            (Settled::Open, Settled::Plain(set)) => self.solutions_and_set(gold, set),
            (Settled::Plain(set), Settled::Open) => match self.profile.sets {
                SetRule::Both => self.solutions_and_set(answer, set),
                SetRule::GoldRelation => Verdict::NotEqual(Path::Kind),
            },
            (Settled::Open, Settled::Named(..)) | (Settled::Named(..), Settled::Open) => {
                self.open_and_named(gold, answer)
            }
            (Settled::Plain(a), Settled::Plain(b)) => self.kinds(a, b),
            _ => Verdict::NotEqual(Path::Kind),
        }
    }

    fn dropped(&self, verdict: Verdict) -> Verdict {
        if verdict.is_equal() { Verdict::Equal(Path::LabelDropped) } else { verdict }
    }

    fn any(&self, values: &[&Value], others: &[&Value]) -> Verdict {
        let mut last = Verdict::NotEqual(Path::Kind);
        for value in values {
            for other in others {
                last = self.values(value, other);
                if last.is_equal() {
                    return last;
                }
            }
        }
        last
    }

    fn settle<'v>(&self, value: &'v Value) -> Settled<'v> {
        match value {
            Value::Relation(relation) => self.settle_relation(relation),
            Value::Labelled(name, values) => Settled::Named(name, vec![values]),
            Value::System(..) | Value::Record(_) => Settled::Open,
            other => Settled::Plain(other),
        }
    }

    fn settle_relation<'v>(&self, relation: &'v Relation) -> Settled<'v> {
        let operands = &relation.operands;
        if relation.ops == [RelOp::In] && operands[0].is_label() {
            return Settled::Named(&operands[0], vec![&operands[1]]);
        }
        if !relation.ops.iter().all(|op| matches!(op, RelOp::Eq | RelOp::Approx)) {
            return Settled::Open;
        }
        if operands.len() == 2 && !operands[0].is_label() && operands[1].is_label() {
            return Settled::Named(&operands[1], vec![&operands[0]]);
        }
        let names = operands
            .iter()
            .take_while(|operand| operand.is_label())
            .count()
            .min(operands.len() - 1);
        let values = &operands[names..];
        let ends = match self.profile.chains {
            ChainRule::Checked => match self.links(values, &relation.ops[names..]) {
                Some(true) => values.iter().collect(),
                Some(false) => return Settled::False,
                None => return Settled::Open,
            },
            ChainRule::LastSide
                if names == 0 && operands.len() == 2 && !operands.iter().all(is_fixed) =>
            {
                return Settled::Open;
            }
            // What an approximation stands for is the exact side before it.
            ChainRule::LastSide => {
                let links = &relation.ops[names..];
                let exact = links.iter().take_while(|op| **op == RelOp::Eq).count();
                vec![&values[exact]]
            }
        };
        // Only the ends of a chain were meant as the answer; where it is exact they are the same.
        let ends =
            if relation.ops.contains(&RelOp::Approx) { ends } else { vec![ends[ends.len() - 1]] };
        if names > 0 { Settled::Named(&operands[0], ends) } else { Settled::Chain(ends) }
    }

    /// Whether all links hold; `None` if one is an equation to be solved.
    fn links(&self, values: &[Value], ops: &[RelOp]) -> Option<bool> {
        for (pair, op) in values.windows(2).zip(ops) {
            let holds = match (op, &pair[0], &pair[1]) {
                (RelOp::Approx, Value::Scalar(a), Value::Scalar(b)) => {
                    self.roughly(a, b).unwrap_or(false)
                }
                _ => self.same(&pair[0], &pair[1]),
            };
            if !holds {
                return if pair.iter().all(is_fixed) { Some(false) } else { None };
            }
        }
        Some(true)
    }

    fn named(
        &self,
        (gold, name, values): (&Value, &Value, &[&Value]),
        (answer, other, others): (&Value, &Value, &[&Value]),
    ) -> Verdict {
        let inner = self.any(values, others);
        if name == other {
            if inner.is_equal() {
                return inner;
            }
            let equations = self.equations(gold, answer);
            return if equations.is_equal() { equations } else { inner };
        }
        if let Some(verdict) = self.same_function(name, other, values, others) {
            return verdict;
        }
        let equations = self.equations(gold, answer);
        if equations.is_equal() {
            return equations;
        }
        match inner {
            Verdict::Equal(_)
                if self.profile.rename_symbols
                    || self.loose() && is_call(name) && is_call(other) =>
            {
                inner
            }
            Verdict::Equal(_) => Verdict::Unknown(Reason::Surroundings),
            // Other names, other values: `y = x + 1` and `x = y - 1` were tried as equations.
            _ if equations.is_decided() => equations,
            verdict => verdict,
        }
    }

    /// `f(x) = x + 1` and `f(t) = t + 1` define the same function.
    fn same_function(
        &self,
        name: &Value,
        other: &Value,
        values: &[&Value],
        others: &[&Value],
    ) -> Option<Verdict> {
        let ((f, x), (g, t)) = (defined(name)?, defined(other)?);
        if f != g {
            return None;
        }
        let (value, answer) = (values.last()?.as_number()?, others.last()?.as_number()?);
        let image = crate::exact::Fraction::of(x);
        let renamed = rename(answer, &t, &image, &self.fuel)?;
        Some(self.fractions(value, &renamed))
    }

    fn records(&self, a: &[(Value, Value)], b: &[(Value, Value)]) -> Verdict {
        if a.len() != b.len() {
            return Verdict::NotEqual(Path::Collection);
        }
        let mut verdicts = Vec::with_capacity(a.len());
        for (name, value) in a {
            match b.iter().find(|(other, _)| other == name) {
                Some((_, other)) => verdicts.push(self.values(value, other)),
                None => return Verdict::Unknown(Reason::Surroundings),
            }
        }
        self.every(verdicts.into_iter(), Path::Collection)
    }

    /// `x = 1, y = 2` against values alone, in the order of the names.
    fn record_and_values(
        &self,
        fields: &[(Value, Value)],
        other: &Value,
        record_first: bool,
    ) -> Verdict {
        let (items, ordered) = match other {
            Value::Tuple { items, .. } | Value::List(items) => (items, true),
            Value::Set(items) => (items, false),
            _ => return Verdict::NotEqual(Path::Kind),
        };
        if items.len() != fields.len() {
            return Verdict::NotEqual(Path::Collection);
        }
        let pairs = fields.iter().zip(items).map(|((_, value), item)| {
            if record_first { self.values(value, item) } else { self.values(item, value) }
        });
        let verdict = self.every(pairs, Path::LabelDropped);
        if verdict.is_equal() && (ordered || self.loose()) {
            return verdict;
        }
        if self.loose() {
            let values: Vec<Value> = fields.iter().map(|(_, value)| value.clone()).collect();
            return if record_first {
                self.unordered(&values, items)
            } else {
                self.unordered(items, &values)
            };
        }
        if verdict.is_equal() { Verdict::Unknown(Reason::Surroundings) } else { verdict }
    }
}

/// The fields of a record; `(x, y) = (1, 2)` is one too, if the other side is.
fn fields(value: &Value) -> Option<Vec<(Value, Value)>> {
    match value {
        Value::Record(fields) => Some(fields.clone()),
        Value::Relation(relation) => match relation.assignment()? {
            (Value::Tuple { items: names, .. }, Value::Tuple { items: values, .. })
                if names.len() == values.len() =>
            {
                Some(names.iter().cloned().zip(values.iter().cloned()).collect())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether nothing in the value is free.
fn is_fixed(value: &Value) -> bool {
    match value {
        Value::Scalar(scalar) => is_constant(&scalar.value),
        Value::Tuple { items, .. } | Value::List(items) | Value::Set(items) => {
            items.iter().all(is_fixed)
        }
        Value::Text(_) | Value::Infinity(_) | Value::Choice(..) => true,
        _ => false,
    }
}

fn is_call(name: &Value) -> bool {
    defined(name).is_some()
}

/// The name and the argument of `f(x)`.
fn defined(name: &Value) -> Option<(String, Gen)> {
    let poly = name.as_number()?.as_poly()?;
    let (monomial, _) = poly.as_term()?;
    let [(Gen::Kernel(kernel), _)] = monomial.0.as_slice() else { return None };
    let Kernel::Call(function, arguments) = &**kernel else { return None };
    let [argument] = arguments.as_slice() else { return None };
    let argument = argument.as_poly()?;
    let (monomial, coefficient) = argument.as_term()?;
    match monomial.0.as_slice() {
        [(variable @ Gen::Var(_), _)] if coefficient.is_one() && function.ends_with("()") => {
            Some((function.to_string(), variable.clone()))
        }
        _ => None,
    }
}
