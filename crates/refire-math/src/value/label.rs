use crate::exact::{Exponent, Fraction, Gen, Kernel, Poly};
use crate::syntax::RelOp;
use crate::value::{Relation, Value};

impl Value {
    /// Whether this only names something: a symbol, `f(x)`, a segment, words, a tuple of names.
    pub(crate) fn is_label(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Scalar(scalar) => {
                scalar.unit.is_none() && !scalar.percent && names(&scalar.value)
            }
            Self::Tuple { items, .. } | Self::Ratio(items) => items.iter().all(Self::is_label),
            _ => false,
        }
    }
}

/// A quotient of products of names, without a number in it.
fn names(value: &Fraction) -> bool {
    value.rational().is_none()
        && product_of_names(&value.numerator())
        && product_of_names(&value.denominator())
}

fn product_of_names(poly: &Poly) -> bool {
    poly.as_term().is_some_and(|(monomial, coefficient)| {
        coefficient.is_one()
            && monomial.0.iter().all(|(generator, exponent)| {
                exponent.d == 1
                    && exponent.n.abs() <= 1
                    && match generator {
                        Gen::Var(_) => true,
                        Gen::Kernel(kernel) => match &**kernel {
                            Kernel::Call(name, _) => name.ends_with("()") || name.ends_with('_'),
                            Kernel::Abs(inside) => product_of_names(inside),
                            _ => false,
                        },
                        _ => *exponent == Exponent::ONE && matches!(generator, Gen::I),
                    }
            })
    })
}

impl Relation {
    /// The name and the value, for `name = value`, `name ≈ value` and `value = name`.
    pub(crate) fn assignment(&self) -> Option<(&Value, &Value)> {
        let ([left, right], [RelOp::Eq | RelOp::Approx]) =
            (self.operands.as_slice(), self.ops.as_slice())
        else {
            return None;
        };
        match (left.is_label(), right.is_label()) {
            (true, _) => Some((left, right)),
            (false, true) => Some((right, left)),
            _ => None,
        }
    }
}
