//! Answers side by side: plain values, values of one name, or one value for each of several names.

use crate::exact::{Fraction, Rational};
use crate::fuel::Stop;
use crate::syntax::Id;
use crate::unit::Unit;
use crate::value::reader::{Read, Reader, flat};
use crate::value::{Relation, Scalar, Value};

impl Reader<'_> {
    pub(super) fn list(&self, items: &[Id], disjunction: bool) -> Read {
        let values = self.values(items)?;
        match self.parts_of_one_amount(&values)? {
            Some(amount) if !disjunction => Ok(amount),
            _ => Ok(gather(values, disjunction)),
        }
    }

    /// `3 hours and 20 minutes`: amounts of one dimension in smaller and smaller units are one
    /// amount, in the first of them.
    fn parts_of_one_amount(&self, values: &[Value]) -> Result<Option<Value>, Stop> {
        let mut total: Option<(Scalar, &Rational)> = None;
        let mut least: Option<&Rational> = None;
        for value in values {
            let Value::Scalar(scalar) = value else { return Ok(None) };
            let Some(Unit::Measure { dimensions, factor }) = &scalar.unit else { return Ok(None) };
            if least.is_some_and(|least| factor >= least) {
                return Ok(None);
            }
            least = Some(factor);
            total = match total {
                None => Some(((**scalar).clone(), factor)),
                Some((mut sum, first)) => {
                    if !matches!(&sum.unit, Some(Unit::Measure { dimensions: known, .. }) if known == dimensions)
                    {
                        return Ok(None);
                    }
                    let ratio = Fraction::Rational(factor.div(first, self.fuel)?);
                    sum.value = sum.value.add(&scalar.value.mul(&ratio, self.fuel)?, self.fuel)?;
                    Some((sum, first))
                }
            };
        }
        Ok(total.filter(|_| values.len() > 1).map(|(sum, _)| Value::Scalar(Box::new(sum))))
    }

    /// Lists between semicolons: each is one item, unless it is a bare list of its own.
    pub(super) fn groups(&self, groups: &[Id]) -> Read {
        let values = self.values(groups)?;
        if values.iter().all(|value| !matches!(value, Value::List(_))) {
            return Ok(gather(values, false));
        }
        Ok(Value::List(values))
    }
}

fn gather(values: Vec<Value>, disjunction: bool) -> Value {
    let values = flat(values);
    if let Some(named) = one_name(&values) {
        return named;
    }
    if let Some(record) = record(&values) {
        return record;
    }
    if let Some(relations) = relations(&values) {
        return Value::System(relations, disjunction);
    }
    Value::List(values)
}

/// `x = 1, 2` and `x = 1 or x = 2`.
fn one_name(values: &[Value]) -> Option<Value> {
    let Some(Value::Relation(first)) = values.first() else { return None };
    let (name, value) = first.assignment()?;
    if first.operands[0].is_label() && first.operands[1].is_label() && values.len() > 1 {
        return None;
    }
    let mut found = match value {
        Value::List(items) => items.clone(),
        other => vec![other.clone()],
    };
    let bare =
        values[1..].iter().all(|value| !matches!(value, Value::Relation(_) | Value::System(..)));
    for value in &values[1..] {
        match value {
            Value::Relation(relation) if !bare => {
                let (other, value) = relation.assignment()?;
                if other != name {
                    return None;
                }
                found.push(value.clone());
            }
            other if bare => found.push(other.clone()),
            _ => return None,
        }
    }
    Some(Value::Labelled(Box::new(name.clone()), Box::new(Value::List(flat(found)))))
}

/// `x = 1, y = 2`.
fn record(values: &[Value]) -> Option<Value> {
    let mut fields: Vec<(Value, Value)> = Vec::with_capacity(values.len());
    for value in values {
        let Value::Relation(relation) = value else { return None };
        let (name, value) = relation.assignment()?;
        if fields.iter().any(|(known, _)| known == name) {
            return None;
        }
        fields.push((name.clone(), value.clone()));
    }
    Some(Value::Record(fields))
}

fn relations(values: &[Value]) -> Option<Vec<Relation>> {
    let each = values.iter().map(|value| match value {
        Value::Relation(relation) => Some(relation.clone()),
        _ => None,
    });
    each.collect()
}
