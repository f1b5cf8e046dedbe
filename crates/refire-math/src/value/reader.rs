use num_bigint::BigInt;

use crate::canon::Canon;
use crate::exact::{Fraction, Gen, Rational};
use crate::fuel::{Fuel, Stop};
use crate::syntax::{Ast, Bracket, Id, NamedSet, Node, RelOp};
use crate::unit::{self, Unit};
use crate::value::{Base, Form, Region, Relation, Scalar, Time, Value, solve, unknown};

/// From syntax to values.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(super) ast: &'a Ast,
    pub(super) fuel: &'a Fuel,
    /// A `±` occurs somewhere.
    has_sign_pair: bool,
    has_decimal: bool,
}

pub(crate) type Read = Result<Value, Stop>;

impl<'a> Reader<'a> {
    pub(crate) fn new(ast: &'a Ast, fuel: &'a Fuel) -> Self {
        let any = |test: fn(&Node) -> bool| ast.nodes.iter().any(test);
        Self {
            ast,
            fuel,
            has_sign_pair: any(|node| matches!(node, Node::PlusMinus(..))),
            has_decimal: any(|node| matches!(node, Node::Number { places: Some(_), .. })),
        }
    }

    pub(crate) fn value(&self, id: Id) -> Read {
        self.fuel.spend(2)?;
        match self.ast.get(id) {
            Node::Text(words) => Ok(Value::Text(unit::words(&unit::flatten(words)))),
            Node::Ellipsis => Ok(Value::Ellipsis),
            Node::Infinity => Ok(Value::Infinity(false)),
            Node::Neg(inside) => self.negated(id, *inside),
            Node::Percent(inside) => {
                let mut scalar = self.inner_scalar(*inside)?;
                scalar.percent = true;
                Ok(Value::Scalar(scalar))
            }
            Node::Degree(inside) => self.with_unit(*inside, Unit::degree()),
            Node::Money(sign, inside) => self.money(sign, *inside),
            Node::Unit(inside, words) => self.unit(*inside, words),
            Node::Tuple { open, close, items } => {
                Ok(Value::Tuple { open: *open, close: *close, items: self.values(items)? })
            }
            Node::Braces(items) => Ok(Value::Set(flat(self.values(items)?))),
            Node::Set(set) => Ok(match set {
                NamedSet::Reals => Value::Region(Region::reals()),
                NamedSet::Empty => Value::Set(Vec::new()),
                other => Value::Named(*other),
            }),
            Node::Builder(element, conditions) => self.builder(*element, conditions),
            Node::Union(items) => Ok(Value::Union(self.values(items)?)),
            Node::Intersection(items) => Ok(Value::Intersection(self.values(items)?)),
            Node::Without(a, b) => {
                Ok(Value::Without(Box::new(self.value(*a)?), Box::new(self.value(*b)?)))
            }
            Node::Relation(operands, ops) => {
                Ok(Value::Relation(Relation { operands: self.values(operands)?, ops: ops.clone() }))
            }
            Node::Ratio(parts) => self.ratio(parts),
            Node::List { items, disjunction } => self.list(items, *disjunction),
            Node::Groups(groups) => self.groups(groups),
            Node::Call("pmod", _, arguments) => self.congruence(arguments),
            _ => self.number_or_matrix(id),
        }
    }

    pub(super) fn values(&self, ids: &[Id]) -> Result<Vec<Value>, Stop> {
        ids.iter().map(|id| self.value(*id)).collect()
    }

    fn number_or_matrix(&self, id: Id) -> Read {
        if self.has_matrix(id, 0) {
            return Ok(match self.matrix(id)? {
                Ok(matrix) => Value::Matrix(matrix),
                Err(number) => Value::number(number),
            });
        }
        if self.has_sign_pair {
            let side = |upper| {
                let mut canon = Canon::new(self.ast, self.fuel);
                canon.upper = Some(upper);
                canon.scalar(id)
            };
            let (upper, lower) = (side(true)?, side(false)?);
            if upper != lower {
                return Ok(Value::List(vec![Value::number(upper), Value::number(lower)]));
            }
            return Ok(Value::number(upper));
        }
        if let Some(infinite) = self.infinite(id) {
            return Ok(infinite);
        }
        Ok(Value::Scalar(Box::new(self.scalar(id)?)))
    }

    /// Multiples of infinity, such as `2\infty`, aren't values; a sum with one is none either.
    fn infinite(&self, id: Id) -> Option<Value> {
        matches!(self.ast.get(id), Node::Infinity).then_some(Value::Infinity(false))
    }

    fn scalar(&self, id: Id) -> Result<Scalar, Stop> {
        let value = Canon::new(self.ast, self.fuel).scalar(id)?;
        let base = match self.ast.get(id) {
            Node::BaseNumber { digits, base } => Some(Base {
                base: Canon::new(self.ast, self.fuel).scalar(*base)?,
                digits: digits
                    .parse::<BigInt>()
                    .ok()
                    .map(|n| Fraction::Rational(Rational::from_big(n))),
            }),
            _ => None,
        };
        let (places, form) = match self.ast.get(id) {
            Node::Number { places, plain, .. } => {
                (*places, if *plain { Form::Integer } else { Form::Other })
            }
            Node::Div(a, b) => (None, self.fraction_form(*a, *b)),
            _ => (None, Form::Other),
        };
        Ok(Scalar {
            value,
            percent: false,
            unit: None,
            places,
            inexact: self.has_decimal,
            form,
            base,
        })
    }

    fn fraction_form(&self, a: Id, b: Id) -> Form {
        let (Some(a), Some(b)) = (self.literal(a), self.literal(b)) else { return Form::Other };
        let (a, b) = (Rational::from_i64(a), Rational::from_i64(b));
        if a.gcd(&b).is_one() && !b.is_one() && !b.is_negative() {
            Form::Reduced
        } else {
            Form::Unreduced
        }
    }

    fn literal(&self, id: Id) -> Option<i64> {
        match self.ast.get(id) {
            Node::Number { value, plain: true, .. } => value.to_i64(),
            Node::Neg(inside) => self.literal(*inside)?.checked_neg(),
            _ => None,
        }
    }

    pub(super) fn inner_scalar(&self, id: Id) -> Result<Box<Scalar>, Stop> {
        match self.value(id)? {
            Value::Scalar(scalar) => Ok(scalar),
            _ => Err(Stop::Unsupported),
        }
    }

    fn negated(&self, whole: Id, inside: Id) -> Read {
        match self.ast.get(inside) {
            Node::Infinity => Ok(Value::Infinity(true)),
            Node::Number { .. }
            | Node::Percent(_)
            | Node::Degree(_)
            | Node::Money(..)
            | Node::Unit(..) => match self.value(inside)? {
                Value::Scalar(mut scalar) => {
                    scalar.value = scalar.value.neg();
                    Ok(Value::Scalar(scalar))
                }
                _ => Err(Stop::Unsupported),
            },
            Node::Div(a, b) => {
                let form = self.fraction_form(*a, *b);
                match self.number_or_matrix(whole)? {
                    Value::Scalar(mut scalar) => {
                        scalar.form = form;
                        Ok(Value::Scalar(scalar))
                    }
                    other => Ok(other),
                }
            }
            Node::Tuple { .. } => match self.value(inside)? {
                Value::Tuple { open, close, items } if open == close => {
                    let items = items.into_iter().map(negate).collect::<Option<Vec<_>>>();
                    Ok(Value::Tuple { open, close, items: items.ok_or(Stop::Unsupported)? })
                }
                _ => Err(Stop::Unsupported),
            },
            _ => self.number_or_matrix(whole),
        }
    }

    fn with_unit(&self, inside: Id, unit: Unit) -> Read {
        let mut scalar = self.inner_scalar(inside)?;
        if scalar.unit.is_some() || scalar.percent {
            return Err(Stop::Unsupported);
        }
        scalar.unit = Some(unit);
        Ok(Value::Scalar(scalar))
    }

    fn ratio(&self, parts: &[Id]) -> Read {
        let (mut afternoon, mut values) = (None, Vec::new());
        for (index, part) in parts.iter().enumerate() {
            match self.ast.get(*part) {
                Node::Unit(inside, words) if index + 1 == parts.len() => match Time::half(words) {
                    Some(half) => {
                        afternoon = Some(half);
                        values.push(self.value(*inside)?);
                    }
                    None => values.push(self.value(*part)?),
                },
                _ => values.push(self.value(*part)?),
            }
        }
        let rational = |value: &Value| value.as_number()?.rational().cloned();
        if let Some(numbers) = values.iter().map(rational).collect::<Option<Vec<_>>>() {
            let clock =
                numbers[1..].iter().zip(&parts[1..]).all(|(n, id)| self.is_two_digits(n, *id));
            if afternoon.is_some()
                || clock && numbers[0] <= Rational::from_i64(24) && !numbers[0].is_negative()
            {
                return Ok(Value::Time(Time { parts: numbers, afternoon }));
            }
        }
        if afternoon.is_some() { Err(Stop::Unsupported) } else { Ok(Value::Ratio(values)) }
    }

    /// Whether a part of a ratio may be minutes: below 60; the digits are checked by the caller's
    /// reading of the text, since `5:07` and `5:7` have the same value.
    fn is_two_digits(&self, number: &Rational, id: Id) -> bool {
        let literal = match self.ast.get(id) {
            Node::Unit(inside, _) => *inside,
            _ => id,
        };
        matches!(self.ast.get(literal), Node::Number { plain: true, .. })
            && number.is_integer()
            && *number < Rational::from_i64(60)
            && (*number >= Rational::from_i64(10) || number.is_zero())
    }

    /// `{x : conditions}` with conditions on one unknown.
    fn builder(&self, element: Id, conditions: &[Id]) -> Read {
        let (name, within) = match self.value(element)? {
            Value::Scalar(scalar) => (scalar.value, None),
            Value::Relation(Relation { mut operands, ops }) if ops == [RelOp::In] => {
                let set = operands.pop();
                match operands.pop() {
                    Some(Value::Scalar(scalar)) => (scalar.value, set),
                    _ => return Err(Stop::Unsupported),
                }
            }
            _ => return Err(Stop::Unsupported),
        };
        let name = unknown([&name].into_iter()).filter(|g| matches!(g, Gen::Var(_)));
        let name = name.ok_or(Stop::Unsupported)?;
        let mut region = match within {
            None => Region::reals(),
            Some(Value::Region(region)) => region,
            Some(_) => return Err(Stop::Unsupported),
        };
        for condition in conditions {
            let holds = match self.value(*condition)? {
                Value::Relation(relation) => match relation.ops.as_slice() {
                    [RelOp::In] => match relation.operands.get(1) {
                        Some(Value::Region(region)) => region.clone(),
                        _ => return Err(Stop::Unsupported),
                    },
                    _ => solve(&relation, &name, self.fuel)?,
                },
                Value::System(relations, any) => {
                    let mut total = if any { Region::empty() } else { Region::reals() };
                    for relation in &relations {
                        let each = solve(relation, &name, self.fuel)?;
                        total = if any {
                            total.union(each, self.fuel)?
                        } else {
                            total.intersection(&each, self.fuel)?
                        };
                    }
                    total
                }
                _ => return Err(Stop::Unsupported),
            };
            region = region.intersection(&holds, self.fuel)?;
        }
        Ok(Value::Region(region))
    }

    /// `x = a (mod m)`, kept as the tuple of its parts.
    fn congruence(&self, arguments: &[Id]) -> Read {
        let mut items = match self.value(arguments[0])? {
            Value::Relation(relation) => relation.operands,
            value => vec![value],
        };
        let modulus = self.value(arguments[1])?;
        let reduce = |value: &Value| {
            let (x, m) = (value.as_number()?.rational()?, modulus.as_number()?.rational()?);
            (!m.is_zero()).then_some(())?;
            Some(Value::number(Fraction::Rational(x.modulo(m, self.fuel).ok()?)))
        };
        if let Some(last) = items.last_mut()
            && let Some(least) = reduce(last)
        {
            *last = least;
        }
        items.push(modulus);
        Ok(Value::Tuple { open: Bracket::Angle, close: Bracket::Angle, items })
    }
}

fn negate(value: Value) -> Option<Value> {
    match value {
        Value::Scalar(mut scalar) => {
            scalar.value = scalar.value.neg();
            Some(Value::Scalar(scalar))
        }
        _ => None,
    }
}

/// Lists inside a list, such as the two sides of a `±`, are part of it.
pub(super) fn flat(values: Vec<Value>) -> Vec<Value> {
    let mut result = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Value::List(items) => result.extend(items),
            other => result.push(other),
        }
    }
    result
}
