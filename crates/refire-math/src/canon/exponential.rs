//! Exponentials and logarithms.

use num_bigint::BigInt;

use crate::canon::{Canon, Exact, algebra, angle, power};
use crate::exact::{Exponent, Fraction, Gen, Kernel, Monomial, Poly, Rational, factor};
use crate::fuel::{Fuel, Stop};

impl Canon<'_> {
    /// `base^exponent = exp(exponent * ln(base))`.
    pub(super) fn general_power(&self, base: &Fraction, exponent: &Fraction) -> Exact {
        if base.is_zero() {
            return Err(Stop::Unsupported);
        }
        if base.is_one() {
            return Ok(Fraction::ONE);
        }
        let log = ln(base, self.fuel)?;
        exp(&log.mul(exponent, self.fuel)?, self.fuel)
    }
}

/// The exponential, as a product over the terms of its argument.
pub(crate) fn exp(argument: &Fraction, fuel: &Fuel) -> Exact {
    let Some(poly) = argument.as_poly() else {
        return Ok(exp_of_quotient(argument));
    };
    let mut product = Fraction::ONE;
    for (monomial, coefficient) in poly.terms() {
        product = product.mul(&exp_term(monomial, coefficient, fuel)?, fuel)?;
    }
    Ok(product)
}

/// Of a quotient and its negative one is the inverse of the other.
fn exp_of_quotient(argument: &Fraction) -> Fraction {
    let numerator = argument.numerator();
    let negative = numerator.leading().is_some_and(|(_, c)| c.is_negative());
    let positive = if negative { argument.neg() } else { argument.clone() };
    let kernel = Gen::kernel(Kernel::Call("exp".into(), vec![positive]));
    let exponent = Exponent::integer(if negative { -1 } else { 1 });
    Fraction::from_poly(Poly::term(Rational::ONE, Monomial(vec![(kernel, exponent)])))
}

fn exp_term(monomial: &Monomial, coefficient: &Rational, fuel: &Fuel) -> Exact {
    match monomial.0.as_slice() {
        [(Gen::I, _), (Gen::Pi, one)] if *one == Exponent::ONE => {
            return angle::cis(coefficient, fuel);
        }
        [(Gen::Kernel(kernel), one)] if *one == Exponent::ONE => {
            if let Kernel::Ln(inside) = &**kernel {
                let base = Fraction::from_poly(inside.clone());
                let (n, d) = coefficient.to_small().ok_or(Stop::TooBig)?;
                return if d == 1 { base.powi(n, fuel) } else { power::root_of(&base, n, d, fuel) };
            }
        }
        _ => {}
    }
    let kernel = Gen::kernel(Kernel::Exp(monomial.clone()));
    let power = Monomial(vec![(kernel, Exponent::new(coefficient)?)]);
    Ok(Fraction::from_poly(Poly::term(Rational::ONE, power)))
}

/// The natural logarithm, as a sum over the factors of its argument. Symbols count as positive.
pub(crate) fn ln(argument: &Fraction, fuel: &Fuel) -> Exact {
    if let Some(value) = argument.rational() {
        return ln_rational(value, fuel);
    }
    let numerator = ln_poly(&argument.numerator(), fuel)?;
    let denominator = argument.denominator();
    if denominator.is_one() {
        Ok(numerator)
    } else {
        numerator.sub(&ln_poly(&denominator, fuel)?, fuel)
    }
}

fn ln_rational(value: &Rational, fuel: &Fuel) -> Exact {
    if value.is_zero() {
        return Err(Stop::Undefined);
    }
    let mut sum = Fraction::ZERO;
    if value.is_negative() {
        sum = Fraction::of(Gen::I).mul(&Fraction::of(Gen::Pi), fuel)?;
    }
    let (numerator, denominator) = value.magnitude();
    for (part, sign) in [(numerator, 1), (denominator, -1)] {
        let (primes, rest) = factor(&part, fuel)?;
        let primes = primes.into_iter().map(|(p, count)| (BigInt::from(p), i64::from(count)));
        let rest = (rest.bits() > 1).then(|| (BigInt::from(rest), 1));
        for (base, count) in primes.chain(rest) {
            let log = Gen::kernel(Kernel::Ln(Poly::constant(Rational::from_big(base))));
            let term = Fraction::of(log).mul(&Fraction::integer(sign * count), fuel)?;
            sum = sum.add(&term, fuel)?;
        }
    }
    Ok(sum)
}

fn ln_poly(poly: &Poly, fuel: &Fuel) -> Exact {
    let content = poly.content(fuel)?;
    let common = poly.common_monomial();
    let mut rest = poly.scale(&content.recip()?, fuel)?.divide_monomial(&common)?;
    let mut sum = ln_rational(&content.abs(), fuel)?;
    for (generator, exponent) in &common.0 {
        let log = match generator {
            Gen::Prime(prime) => ln_rational(&Rational::from_big((*prime).into()), fuel)?,
            Gen::I => {
                let half = Rational::small_ratio(1, 2).ok_or(Stop::Undefined)?;
                let angle = Fraction::of(Gen::I).mul(&Fraction::of(Gen::Pi), fuel)?;
                angle.mul(&Fraction::Rational(half), fuel)?
            }
            Gen::Kernel(kernel) => match &**kernel {
                Kernel::Exp(argument) => {
                    Fraction::from_poly(Poly::term(Rational::ONE, argument.clone()))
                }
                _ => Fraction::of(Gen::kernel(Kernel::Ln(Poly::of(generator.clone())))),
            },
            _ => Fraction::of(Gen::kernel(Kernel::Ln(Poly::of(generator.clone())))),
        };
        sum = sum.add(&log.mul(&Fraction::Rational(exponent.rational()), fuel)?, fuel)?;
    }
    if content.is_negative() {
        rest = rest.neg();
    }
    if let Some(value) = rest.as_constant() {
        return sum.add(&ln_rational(&value, fuel)?, fuel);
    }
    if algebra::sign(&Fraction::from_poly(rest.clone()), fuel) == Some(num_bigint::Sign::Minus) {
        rest = rest.neg();
        sum = sum.add(&Fraction::of(Gen::I).mul(&Fraction::of(Gen::Pi), fuel)?, fuel)?;
    }
    sum.add(&Fraction::of(Gen::kernel(Kernel::Ln(rest))), fuel)
}
