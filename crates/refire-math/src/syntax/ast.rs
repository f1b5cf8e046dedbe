use std::sync::Arc;

use crate::exact::Rational;

/// Index of a node in its [`Ast`].
pub(crate) type Id = u32;

/// A syntax tree in one vector; children come before their parents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ast {
    pub(crate) nodes: Vec<Node>,
}

impl Ast {
    pub(crate) fn get(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RelOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Approx,
    In,
    NotIn,
    Congruent,
    Subset,
    Implies,
}

impl RelOp {
    /// The relation read from right to left.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            other => other,
        }
    }

    pub(crate) fn is_order(self) -> bool {
        matches!(self, Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NamedSet {
    Reals,
    Integers,
    Rationals,
    Naturals,
    Complex,
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BigOp {
    Sum,
    Product,
    Integral,
    Limit,
}

/// How a bracketed list was opened or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Bracket {
    Round,
    Square,
    /// `]a, b[` in the French way, read as round.
    Reversed,
    Angle,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A literal; `places` counts the digits behind a decimal point, `plain` is an integer literal
    /// without any ornament.
    Number {
        value: Rational,
        places: Option<u32>,
        plain: bool,
    },
    /// Digits with a subscript for the base, uppercase.
    BaseNumber {
        digits: Arc<str>,
        base: Id,
    },
    Symbol(Arc<str>),
    /// A symbol with an expression as its subscript.
    Indexed(Arc<str>, Id),
    Pi,
    E,
    I,
    Infinity,
    Set(NamedSet),
    Ellipsis,
    Sum(Vec<Id>),
    Neg(Id),
    Product(Vec<Id>),
    Div(Id, Id),
    /// A whole number directly followed by a proper fraction.
    Mixed(Id, Id),
    Pow(Id, Id),
    /// Degree (if given) and radicand.
    Root(Option<Id>, Id),
    /// `a ± b`; the flag is true for `∓`.
    PlusMinus(Option<Id>, Id, bool),
    Factorial(Id),
    DoubleFactorial(Id),
    Binomial(Id, Id),
    Abs(Id),
    Norm(Id),
    Floor(Id),
    Ceil(Id),
    Mod(Id, Id),
    /// A known function; the second part is a subscript such as the base of a logarithm.
    Call(&'static str, Option<Id>, Vec<Id>),
    /// An unknown function applied to arguments.
    Apply(Arc<str>, Vec<Id>),
    Big {
        op: BigOp,
        var: Option<Id>,
        low: Option<Id>,
        high: Option<Id>,
        body: Id,
    },
    Percent(Id),
    Degree(Id),
    /// An amount with the words or symbols of its unit, as written.
    Unit(Id, Arc<str>),
    /// An amount of money with the sign of its currency.
    Money(&'static str, Id),
    Tuple {
        open: Bracket,
        close: Bracket,
        items: Vec<Id>,
    },
    Braces(Vec<Id>),
    /// A set given by its typical element and its conditions.
    Builder(Id, Vec<Id>),
    Matrix {
        rows: usize,
        columns: usize,
        items: Vec<Id>,
    },
    Determinant(Id),
    Transpose(Id),
    Union(Vec<Id>),
    Intersection(Vec<Id>),
    Without(Id, Id),
    /// Operands and the relations between them.
    Relation(Vec<Id>, Vec<RelOp>),
    /// `a : b : c`.
    Ratio(Vec<Id>),
    /// Answers separated by commas, `and` or `or`.
    List {
        items: Vec<Id>,
        disjunction: bool,
    },
    /// Lists separated by semicolons.
    Groups(Vec<Id>),
    /// Words.
    Text(Arc<str>),
}
