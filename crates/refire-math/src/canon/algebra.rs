//! Signs, absolute values, real and imaginary parts.

use num_bigint::Sign;

use crate::ball::{Ball, Evaluator, Point};
use crate::canon::Exact;
use crate::exact::{Exponent, Fraction, Gen, Kernel, Monomial, Poly, Rational};
use crate::fuel::{Fuel, Stop};

/// Whether no free symbol occurs.
pub(crate) fn is_constant(value: &Fraction) -> bool {
    value.generators().all(|(generator, _)| generator_is_constant(generator))
}

pub(crate) fn generator_is_constant(generator: &Gen) -> bool {
    match generator {
        Gen::Prime(_) | Gen::I | Gen::Pi => true,
        Gen::Var(_) => false,
        Gen::Kernel(kernel) => match &**kernel {
            Kernel::Root(_, poly) | Kernel::Ln(poly) | Kernel::Abs(poly) => {
                poly.generators().all(|(g, _)| generator_is_constant(g))
            }
            Kernel::Exp(monomial) => monomial.0.iter().all(|(g, _)| generator_is_constant(g)),
            Kernel::CosPi(_) => true,
            Kernel::Call(_, arguments) => arguments.iter().all(is_constant),
        },
    }
}

/// The value as a ball, if it is a real constant.
pub(crate) fn real_value(value: &Fraction, bits: u64, fuel: &Fuel) -> Option<Ball> {
    if !is_constant(value) {
        return None;
    }
    let point = Point::default();
    let value = Evaluator { bits, point: &point, fuel }.fraction(value).ok()?;
    value.is_real().then_some(value.re)
}

/// The sign of a real constant, if it can be told.
pub(crate) fn sign(value: &Fraction, fuel: &Fuel) -> Option<Sign> {
    if let Some(number) = value.rational() {
        let positive = if number.is_zero() { Sign::NoSign } else { Sign::Plus };
        return Some(if number.is_negative() { Sign::Minus } else { positive });
    }
    real_value(value, 128, fuel)?.sign()
}

pub(crate) fn absolute(value: &Fraction, fuel: &Fuel) -> Exact {
    if let Some(number) = value.rational() {
        return Ok(Fraction::Rational(number.abs()));
    }
    if let Some(sign) = sign(value, fuel) {
        return Ok(if sign == Sign::Minus { value.neg() } else { value.clone() });
    }
    let numerator = absolute_poly(&value.numerator(), fuel)?;
    if value.as_poly().is_some() {
        return Ok(numerator);
    }
    numerator.div(&absolute_poly(&value.denominator(), fuel)?, fuel)
}

fn absolute_poly(poly: &Poly, fuel: &Fuel) -> Exact {
    if let Some((re, im)) = complex_parts(poly)
        && !im.is_zero()
    {
        let norm = re.mul(&re, fuel)?.add(&im.mul(&im, fuel)?, fuel)?;
        return super::power::root_of(&Fraction::from_poly(norm), 1, 2, fuel);
    }
    if let Some(sign) = sign(&Fraction::from_poly(poly.clone()), fuel) {
        let poly = if sign == Sign::Minus { poly.neg() } else { poly.clone() };
        return Ok(Fraction::from_poly(poly));
    }
    let content = poly.content(fuel)?;
    let common = poly.common_monomial();
    let rest = poly.scale(&content.recip()?, fuel)?.divide_monomial(&common)?;
    let mut result = Fraction::Rational(content.abs());
    for (generator, exponent) in &common.0 {
        let nonnegative = match generator {
            Gen::Prime(_) | Gen::Pi => true,
            Gen::Kernel(kernel) => matches!(&**kernel, Kernel::Abs(_) | Kernel::Exp(_)),
            _ => exponent.n % 2 == 0 || exponent.d > 1,
        };
        let base = if nonnegative {
            Poly::from_monomial(
                Monomial(vec![(generator.clone(), *exponent)]),
                &Rational::ONE,
                fuel,
            )?
        } else {
            let kernel = Gen::kernel(Kernel::Abs(Poly::of(generator.clone())));
            Poly::from_monomial(Monomial(vec![(kernel, *exponent)]), &Rational::ONE, fuel)?
        };
        result = result.mul(&Fraction::from_poly(base), fuel)?;
    }
    if rest.is_one() {
        return Ok(result);
    }
    if let Some(sign) = sign(&Fraction::from_poly(rest.clone()), fuel) {
        let rest = if sign == Sign::Minus { rest.neg() } else { rest };
        return result.mul(&Fraction::from_poly(rest), fuel);
    }
    result.mul(&Fraction::of(Gen::kernel(Kernel::Abs(rest))), fuel)
}

/// Real and imaginary part, taking everything but `i` as real; `None` where a function of
/// something imaginary occurs.
pub(crate) fn complex_parts(poly: &Poly) -> Option<(Poly, Poly)> {
    let fuel = Fuel::new(u64::MAX);
    let (mut re, mut im) = (Poly::zero(), Poly::zero());
    for (monomial, coefficient) in poly.terms() {
        let mut imaginary = false;
        let mut rest = Vec::with_capacity(monomial.0.len());
        for (generator, exponent) in &monomial.0 {
            match generator {
                Gen::I => imaginary = *exponent == Exponent::ONE,
                Gen::Kernel(kernel) if mentions_i(kernel) => return None,
                _ => rest.push((generator.clone(), *exponent)),
            }
        }
        let target = if imaginary { &mut im } else { &mut re };
        target.add_term(Monomial(rest), coefficient, &fuel).ok()?;
    }
    Some((re, im))
}

fn mentions_i(kernel: &Kernel) -> bool {
    let generator = |g: &Gen| match g {
        Gen::I => true,
        Gen::Kernel(inner) => mentions_i(inner),
        _ => false,
    };
    match kernel {
        Kernel::Root(_, poly) | Kernel::Ln(poly) | Kernel::Abs(poly) => {
            poly.generators().any(|(g, _)| generator(g))
        }
        Kernel::Exp(monomial) => monomial.0.iter().any(|(g, _)| generator(g)),
        Kernel::CosPi(_) => false,
        Kernel::Call(_, arguments) => {
            arguments.iter().any(|f| f.generators().any(|(g, _)| generator(g)))
        }
    }
}

/// Fails unless the value is certainly not zero; used before dividing by nested radicals.
pub(crate) fn certainly_nonzero(value: &Fraction, fuel: &Fuel) -> Result<(), Stop> {
    let nested = value.generators().any(|(g, _)| matches!(g, Gen::Kernel(_)));
    if !nested || !is_constant(value) {
        return Ok(());
    }
    let point = Point::default();
    let ball = Evaluator { bits: 192, point: &point, fuel }.fraction(value)?;
    if ball.contains_zero() { Err(Stop::Undefined) } else { Ok(()) }
}
