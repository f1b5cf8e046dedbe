//! Exact arithmetic: rationals, and quotients of sparse polynomials over radicals, constants,
//! symbols and functions of such quotients.

mod fraction;
mod integer;
mod kernel;
mod monomial;
mod poly;
mod rational;

pub(crate) use fraction::Fraction;
pub(crate) use integer::{exact_root, factor};
pub(crate) use kernel::{Gen, Kernel};
pub(crate) use monomial::{Exponent, Monomial};
pub(crate) use poly::Poly;
pub(crate) use rational::Rational;
