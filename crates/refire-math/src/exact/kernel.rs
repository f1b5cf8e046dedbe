use std::sync::Arc;

use crate::exact::{Exponent, Fraction, Monomial, Poly, Rational};

/// What polynomials are made of. Equal generators are equal values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Gen {
    /// A prime, with exponents in (0, 1): the positive real radicals.
    Prime(u64),
    /// The imaginary unit.
    I,
    /// The circle constant.
    Pi,
    /// A free symbol.
    Var(Arc<str>),
    /// A function of something exact.
    Kernel(Arc<Kernel>),
}

/// A function that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kernel {
    /// The principal root of a polynomial.
    Root(u32, Poly),
    /// The exponential of a monomial; `e` is that of 1.
    Exp(Monomial),
    /// The natural logarithm.
    Ln(Poly),
    /// The absolute value of something real.
    Abs(Poly),
    /// The cosine of a rational multiple of pi, between 0 and 1/2.
    CosPi(Rational),
    /// Any other function, by name.
    Call(Arc<str>, Vec<Fraction>),
}

impl Gen {
    pub(crate) fn kernel(kernel: Kernel) -> Self {
        Self::Kernel(Arc::new(kernel))
    }

    pub(crate) fn e() -> Self {
        Self::kernel(Kernel::Exp(Monomial::one()))
    }

    /// Whether a relation of the generator applies to this power.
    pub(super) fn is_reducible(&self, exponent: Exponent) -> bool {
        match self {
            Self::Prime(_) => exponent.floor() != 0,
            Self::I => exponent.d == 1 && exponent != Exponent::ONE,
            Self::Pi | Self::Var(_) => false,
            Self::Kernel(kernel) => match &**kernel {
                Kernel::Root(degree, _) => exponent.d == 1 && exponent.n >= i64::from(*degree),
                Kernel::Abs(_) => exponent.d == 1 && exponent.n >= 2,
                _ => false,
            },
        }
    }
}

impl PartialOrd for Poly {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Poly {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.terms().cmp(other.terms())
    }
}
