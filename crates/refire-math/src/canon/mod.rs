//! From syntax to exact quotients.

mod algebra;
mod angle;
mod big;
mod call;
mod exponential;
mod power;
mod substitute;

use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::One;

use crate::exact::{Exponent, Fraction, Gen, Kernel, Rational};
use crate::fuel::{Fuel, Stop};
use crate::syntax::{Ast, Id, Node};

pub(crate) use algebra::{generator_is_constant, is_constant, real_value, sign};
pub(crate) use power::root_of;
pub(crate) use substitute::substitute;

/// Reads syntax as exact values. Bound names stand for the values that an outer sum gave them.
#[derive(Debug)]
pub(crate) struct Canon<'a> {
    pub(crate) ast: &'a Ast,
    pub(crate) fuel: &'a Fuel,
    pub(crate) bound: Vec<(Arc<str>, Fraction)>,
    /// Which side of every `±` is meant; without one a `±` has no value.
    pub(crate) upper: Option<bool>,
}

pub(crate) type Exact = Result<Fraction, Stop>;

/// Largest argument of a factorial that is multiplied out.
const MAX_FACTORIAL: i64 = 3_000;

/// The name, if the value is one free symbol.
fn single_name(value: &Fraction) -> Option<Arc<str>> {
    let poly = value.as_poly()?;
    let (monomial, coefficient) = poly.as_term()?;
    match monomial.0.as_slice() {
        [(Gen::Var(name), exponent)] if coefficient.is_one() && *exponent == Exponent::ONE => {
            Some(name.clone())
        }
        [(Gen::I, _)] if coefficient.is_one() => Some("i".into()),
        _ => None,
    }
}

impl<'a> Canon<'a> {
    pub(crate) fn new(ast: &'a Ast, fuel: &'a Fuel) -> Self {
        Self { ast, fuel, bound: Vec::new(), upper: None }
    }

    pub(crate) fn scalar(&mut self, id: Id) -> Exact {
        self.fuel.spend(2)?;
        let ast = self.ast;
        match ast.get(id) {
            Node::Number { value, .. } => Ok(Fraction::Rational(value.clone())),
            Node::BaseNumber { digits, base } => self.based(digits, *base),
            Node::Symbol(name) => Ok(self.symbol(name)),
            Node::Indexed(name, index) => {
                let index = self.scalar(*index)?;
                if let Some(k) = index.rational().and_then(Rational::to_i64) {
                    return Ok(Fraction::of(Gen::Var(format!("{name}_{k}").into())));
                }
                Ok(match single_name(&index) {
                    Some(index) => Fraction::of(Gen::Var(format!("{name}_{index}").into())),
                    None => self.call_kernel(&format!("{name}_"), vec![index]),
                })
            }
            Node::Pi => Ok(Fraction::of(Gen::Pi)),
            Node::E => Ok(Fraction::of(Gen::e())),
            Node::I => Ok(Fraction::of(Gen::I)),
            Node::Sum(items) => {
                let mut sum = Fraction::ZERO;
                for item in items {
                    sum = sum.add(&self.scalar(*item)?, self.fuel)?;
                }
                Ok(sum)
            }
            Node::Neg(inside) => Ok(self.scalar(*inside)?.neg()),
            Node::Product(items) => {
                let mut product = Fraction::ONE;
                for item in items {
                    product = product.mul(&self.scalar(*item)?, self.fuel)?;
                }
                Ok(product)
            }
            Node::Div(a, b) => self.scalar(*a)?.div(&self.scalar(*b)?, self.fuel),
            Node::Mixed(whole, part) => self.scalar(*whole)?.add(&self.scalar(*part)?, self.fuel),
            Node::Pow(base, exponent) => {
                let (base, exponent) = (self.scalar(*base)?, self.scalar(*exponent)?);
                self.power(&base, &exponent)
            }
            Node::Root(degree, radicand) => {
                let degree = match degree {
                    Some(degree) => self.scalar(*degree)?,
                    None => Fraction::integer(2),
                };
                let radicand = self.scalar(*radicand)?;
                self.power(&radicand, &degree.recip(self.fuel)?)
            }
            Node::Factorial(inside) => {
                let value = self.scalar(*inside)?;
                self.factorial(value, 1)
            }
            Node::DoubleFactorial(inside) => {
                let value = self.scalar(*inside)?;
                self.factorial(value, 2)
            }
            Node::Binomial(n, k) => {
                let (n, k) = (self.scalar(*n)?, self.scalar(*k)?);
                self.binomial(n, k)
            }
            Node::Abs(inside) => {
                let value = self.scalar(*inside)?;
                self.absolute(&value)
            }
            Node::Floor(inside) => {
                let value = self.scalar(*inside)?;
                self.floor(value)
            }
            Node::Ceil(inside) => {
                let value = self.scalar(*inside)?.neg();
                Ok(self.floor(value)?.neg())
            }
            Node::Mod(a, b) => {
                let (a, b) = (self.scalar(*a)?, self.scalar(*b)?);
                match (a.rational(), b.rational()) {
                    (Some(x), Some(m)) if !m.is_zero() => {
                        Ok(Fraction::Rational(x.modulo(m, self.fuel)?))
                    }
                    _ => Ok(self.call_kernel("mod", vec![a, b])),
                }
            }
            Node::Call(name, base, arguments) => self.call(name, *base, arguments),
            Node::Apply(name, arguments) => {
                let arguments = self.all(arguments)?;
                Ok(self.call_kernel(&format!("{name}()"), arguments))
            }
            Node::Big { op, var, low, high, body } => self.big(*op, *var, *low, *high, *body),
            Node::Percent(inside) => {
                let hundredth =
                    Fraction::Rational(Rational::small_ratio(1, 100).ok_or(Stop::Undefined)?);
                self.scalar(*inside)?.mul(&hundredth, self.fuel)
            }
            Node::Degree(inside) => {
                let turn =
                    Fraction::Rational(Rational::small_ratio(1, 180).ok_or(Stop::Undefined)?);
                let angle = self.scalar(*inside)?.mul(&turn, self.fuel)?;
                angle.mul(&Fraction::of(Gen::Pi), self.fuel)
            }
            Node::Ratio(parts) if parts.len() == 2 => {
                self.scalar(parts[0])?.div(&self.scalar(parts[1])?, self.fuel)
            }
            Node::PlusMinus(left, right, flipped) => {
                let upper = self.upper.ok_or(Stop::Unsupported)?;
                let left = left.map_or(Ok(Fraction::ZERO), |left| self.scalar(left))?;
                let right = self.scalar(*right)?;
                let right = if upper != *flipped { right } else { right.neg() };
                left.add(&right, self.fuel)
            }
            _ => Err(Stop::Unsupported),
        }
    }

    pub(crate) fn all(&mut self, ids: &[Id]) -> Result<Vec<Fraction>, Stop> {
        ids.iter().map(|id| self.scalar(*id)).collect()
    }

    fn symbol(&self, name: &Arc<str>) -> Fraction {
        let bound = self.bound.iter().rev().find(|(known, _)| known == name);
        bound.map_or_else(|| Fraction::of(Gen::Var(name.clone())), |(_, value)| value.clone())
    }

    pub(crate) fn call_kernel(&self, name: &str, arguments: Vec<Fraction>) -> Fraction {
        Fraction::of(Gen::kernel(Kernel::Call(name.into(), arguments)))
    }

    fn based(&mut self, digits: &str, base: Id) -> Exact {
        let base = self.scalar(base)?;
        let base = base.rational().and_then(Rational::to_i64).filter(|b| (2..=36).contains(b));
        let base = base.ok_or(Stop::Unsupported)?;
        self.fuel.number(digits.len() as u64 * 6)?;
        let radix = u32::try_from(base).map_err(|_| Stop::Unsupported)?;
        let value = BigInt::parse_bytes(digits.as_bytes(), radix).ok_or(Stop::Unsupported)?;
        Ok(Fraction::Rational(Rational::from_big(value)))
    }

    fn factorial(&self, value: Fraction, step: i64) -> Exact {
        let Some(number) = value.rational() else {
            let name = if step == 1 { "factorial" } else { "double factorial" };
            return Ok(self.call_kernel(name, vec![value]));
        };
        let n = number.to_i64().ok_or(if number.is_integer() {
            Stop::TooBig
        } else {
            Stop::Unsupported
        })?;
        if n < 0 {
            return Err(Stop::Undefined);
        }
        if n > MAX_FACTORIAL {
            return Err(Stop::TooBig);
        }
        let mut product = BigInt::one();
        let mut factor = n;
        while factor > 1 {
            self.fuel.spend(2 + product.bits() / 64)?;
            product *= factor;
            factor -= step;
        }
        Ok(Fraction::Rational(Rational::from_big(product)))
    }

    fn binomial(&self, n: Fraction, k: Fraction) -> Exact {
        let whole = |f: &Fraction| f.rational().and_then(Rational::to_i64);
        let (Some(top), Some(bottom)) = (whole(&n), whole(&k)) else {
            return Ok(self.call_kernel("choose", vec![n, k]));
        };
        if bottom < 0 || (top >= 0 && bottom > top) {
            return Ok(Fraction::ZERO);
        }
        let bottom = if top >= 0 { bottom.min(top - bottom) } else { bottom };
        if bottom > MAX_FACTORIAL || top.abs() > 1 << 40 {
            return Err(Stop::TooBig);
        }
        let mut product = BigInt::one();
        for step in 0..bottom {
            self.fuel.number(product.bits())?;
            product = product * (top - step) / (step + 1);
        }
        Ok(Fraction::Rational(Rational::from_big(product)))
    }

    fn floor(&self, value: Fraction) -> Exact {
        if let Some(number) = value.rational() {
            return Ok(Fraction::Rational(number.floor()));
        }
        if let Some(ball) = self.real_value(&value, 192)
            && let Some(floor) = ball.floor()?
        {
            return Ok(Fraction::Rational(Rational::from_big(floor)));
        }
        Ok(self.call_kernel("floor", vec![value]))
    }

    fn absolute(&self, value: &Fraction) -> Exact {
        algebra::absolute(value, self.fuel)
    }

    /// The value as a ball, if it is a real constant.
    pub(crate) fn real_value(&self, value: &Fraction, bits: u64) -> Option<crate::ball::Ball> {
        algebra::real_value(value, bits, self.fuel)
    }
}
