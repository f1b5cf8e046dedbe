//! What an answer is: a number with its unit, words, a collection, a region, a matrix, a relation.

mod amount;
mod label;
mod list;
mod matrix;
mod matrix_expression;
mod reader;
mod region;
mod solve;
mod time;

use crate::exact::Fraction;
use crate::syntax::{Bracket, NamedSet, RelOp};
use crate::unit::Unit;

pub(crate) use reader::Reader;
pub(crate) use region::{Bound, Piece, Region};
pub(crate) use solve::{solve, unknown};
pub(crate) use time::Time;

/// A number with what is written around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) value: Fraction,
    pub(crate) percent: bool,
    pub(crate) unit: Option<Unit>,
    /// Digits behind the point, if the whole is one decimal literal.
    pub(crate) places: Option<u32>,
    /// A decimal literal occurs in it.
    pub(crate) inexact: bool,
    /// How it was written.
    pub(crate) form: Form,
    /// The base that the numeral states.
    pub(crate) base: Option<Base>,
}

/// The base of a numeral, and what its digits would be worth without it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Base {
    pub(crate) base: Fraction,
    pub(crate) digits: Option<Fraction>,
}

/// How a number was written, for the profiles that care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An integer literal.
    Integer,
    /// A fraction of integer literals in lowest terms.
    Reduced,
    /// A fraction of integer literals that is not.
    Unreduced,
    Other,
}

/// A chain of operands and the relations between them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relation {
    pub(crate) operands: Vec<Value>,
    pub(crate) ops: Vec<RelOp>,
}

/// Rows of exact entries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) items: Vec<Fraction>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(Box<Scalar>),
    /// Positive or, if true, negative infinity.
    Infinity(bool),
    /// Words in lower case and in the singular.
    Text(Vec<String>),
    Choice(char, Option<Box<Self>>),
    /// Answers side by side, in no order.
    List(Vec<Self>),
    Tuple {
        open: Bracket,
        close: Bracket,
        items: Vec<Self>,
    },
    Set(Vec<Self>),
    Named(NamedSet),
    Region(Region),
    Union(Vec<Self>),
    Intersection(Vec<Self>),
    Without(Box<Self>, Box<Self>),
    Matrix(Matrix),
    Relation(Relation),
    /// Relations of which all hold, or any if the flag is set.
    System(Vec<Relation>, bool),
    /// A name with the list of its values.
    Labelled(Box<Self>, Box<Self>),
    /// Names with one value each, in the order given.
    Record(Vec<(Self, Self)>),
    Ratio(Vec<Self>),
    Time(Time),
    Ellipsis,
}

impl Value {
    pub(crate) fn number(value: Fraction) -> Self {
        Self::Scalar(Box::new(Scalar {
            value,
            percent: false,
            unit: None,
            places: None,
            inexact: false,
            form: Form::Other,
            base: None,
        }))
    }

    /// The exact number, if this is one without a unit.
    pub(crate) fn as_number(&self) -> Option<&Fraction> {
        match self {
            Self::Scalar(scalar) if !scalar.percent && scalar.unit.is_none() => Some(&scalar.value),
            _ => None,
        }
    }
}
