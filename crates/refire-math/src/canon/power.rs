//! Powers and roots.

use num_bigint::{BigInt, Sign};

use crate::canon::{Canon, Exact, algebra};
use crate::exact::{Exponent, Fraction, Gen, Kernel, Monomial, Poly, Rational, exact_root};
use crate::fuel::{Fuel, Stop};

/// Largest degree of a root.
const MAX_DEGREE: i64 = 1_000;

impl Canon<'_> {
    pub(crate) fn power(&self, base: &Fraction, exponent: &Fraction) -> Exact {
        let Some(rational) = exponent.rational() else {
            return self.general_power(base, exponent);
        };
        if let Some(n) = rational.to_i64() {
            if n < 0 {
                algebra::certainly_nonzero(base, self.fuel)?;
            }
            return base.powi(n, self.fuel);
        }
        let (n, d) = rational.to_small().ok_or(Stop::TooBig)?;
        if d > MAX_DEGREE {
            return Err(Stop::TooBig);
        }
        root_of(base, n, d, self.fuel)
    }
}

/// `base^(n/d)`: the principal root of even degree, the real one of odd degree.
pub(crate) fn root_of(base: &Fraction, n: i64, d: i64, fuel: &Fuel) -> Exact {
    let exponent = Rational::small_ratio(n, d).ok_or(Stop::Undefined)?;
    if let Some(value) = base.rational() {
        return radical(value, &exponent, fuel);
    }
    if base.as_poly().is_none() {
        // sqrt(N / D) = sqrt(N D) / |D|, and the cube root of N / D is that of N D^2 over D.
        let (numerator, denominator) = (base.numerator(), Fraction::from_poly(base.denominator()));
        let lifted = Fraction::from_poly(numerator).mul(&denominator.powi(d - 1, fuel)?, fuel)?;
        let root = root_of(&lifted, 1, d, fuel)?;
        let divisor = if d % 2 == 0 { algebra::absolute(&denominator, fuel)? } else { denominator };
        return root.div(&divisor, fuel)?.powi(n, fuel);
    }
    let poly = base.numerator();
    if let Some(root) = denested(&poly, d, fuel)? {
        return root.powi(n, fuel);
    }
    let content = poly.content(fuel)?.abs();
    let common = poly.common_monomial();
    let rest = poly.scale(&content.recip()?, fuel)?.divide_monomial(&common)?;
    let mut result = radical(&content, &exponent, fuel)?;
    let mut inside = rest;
    for (generator, power) in &common.0 {
        match generator_root(generator, *power, &exponent, fuel)? {
            Some(root) => result = result.mul(&root, fuel)?,
            None => {
                let factor = Poly::from_monomial(
                    Monomial(vec![(generator.clone(), *power)]),
                    &Rational::ONE,
                    fuel,
                )?;
                inside = inside.mul(&factor, fuel)?;
            }
        }
    }
    if let Some(value) = inside.as_constant() {
        return result.mul(&radical(&value, &exponent, fuel)?, fuel);
    }
    // A negative constant comes out as i, or as -1 under a root of odd degree.
    if algebra::sign(&Fraction::from_poly(inside.clone()), fuel) == Some(Sign::Minus) {
        inside = inside.neg();
        result = result.mul(&radical(&Rational::from_i64(-1), &exponent, fuel)?, fuel)?;
    }
    let degree = u32::try_from(d).map_err(|_| Stop::TooBig)?;
    let kernel = Fraction::of(Gen::kernel(Kernel::Root(degree, inside)));
    result.mul(&kernel.powi(n, fuel)?, fuel)
}

/// `generator^(power * exponent)` where that is a monomial again. Symbols under a root count as
/// nonnegative unless their power is even.
fn generator_root(
    generator: &Gen,
    power: Exponent,
    exponent: &Rational,
    fuel: &Fuel,
) -> Result<Option<Fraction>, Stop> {
    let scaled = power.mul(Exponent::new(exponent)?)?;
    let even = power.d == 1 && power.n % 2 == 0;
    let positive = match generator {
        Gen::Prime(_) | Gen::Pi => true,
        Gen::I => return Ok(None),
        Gen::Var(_) => {
            if even && scaled.n % 2 != 0 {
                let kernel = Gen::kernel(Kernel::Abs(Poly::of(generator.clone())));
                let monomial = Monomial(vec![(kernel, scaled)]);
                return Poly::from_monomial(monomial, &Rational::ONE, fuel)
                    .map(Fraction::from_poly)
                    .map(Some);
            }
            true
        }
        Gen::Kernel(kernel) => match &**kernel {
            Kernel::Abs(_) => true,
            Kernel::Exp(argument) => argument.0.iter().all(|(g, _)| !matches!(g, Gen::I)),
            _ => false,
        },
    };
    if !positive {
        return Ok(None);
    }
    let monomial = Monomial(vec![(generator.clone(), scaled)]);
    Poly::from_monomial(monomial, &Rational::ONE, fuel).map(Fraction::from_poly).map(Some)
}

/// A rational power of a rational, over its prime factors.
pub(crate) fn radical(value: &Rational, exponent: &Rational, fuel: &Fuel) -> Exact {
    if value.is_zero() {
        return if exponent.is_negative() { Err(Stop::Undefined) } else { Ok(Fraction::ZERO) };
    }
    let (n, d) = exponent.to_small().ok_or(Stop::TooBig)?;
    if value.is_negative() {
        let size = radical(&value.neg(), exponent, fuel)?;
        let unit = if d % 2 == 1 {
            Fraction::integer(if n % 2 == 0 { 1 } else { -1 })
        } else if d == 2 {
            Fraction::of(Gen::I).powi(n, fuel)?
        } else {
            super::angle::cis(&Rational::small_ratio(n, d).ok_or(Stop::Undefined)?, fuel)?
        };
        return size.mul(&unit, fuel);
    }
    let mut result = Fraction::ONE;
    let (numerator, denominator) = value.magnitude();
    for (part, sign) in [(numerator, 1), (denominator, -1)] {
        let (primes, rest) = crate::exact::factor(&part, fuel)?;
        for (prime, count) in primes {
            let power = exponent.mul(&Rational::from_i64(i64::from(count) * sign), fuel)?;
            let monomial = Monomial(vec![(Gen::Prime(prime), Exponent::new(&power)?)]);
            let factor = Fraction::from_poly(Poly::from_monomial(monomial, &Rational::ONE, fuel)?);
            result = result.mul(&factor, fuel)?;
        }
        if rest.bits() > 1 {
            let degree = u32::try_from(d).map_err(|_| Stop::TooBig)?;
            let root = match exact_root(&rest, degree, fuel)? {
                Some(root) => Fraction::Rational(Rational::from_big(BigInt::from(root))),
                None => {
                    let inside = Poly::constant(Rational::from_big(BigInt::from(rest)));
                    Fraction::of(Gen::kernel(Kernel::Root(degree, inside)))
                }
            };
            let power = n.checked_mul(sign).ok_or(Stop::TooBig)?;
            result = result.mul(&root.powi(power, fuel)?, fuel)?;
        }
    }
    Ok(result)
}

/// `sqrt(a + b r) = sqrt(x) ± sqrt(y)` with rational `x` and `y`, where `r` is a square root.
fn denested(poly: &Poly, d: i64, fuel: &Fuel) -> Result<Option<Fraction>, Stop> {
    if d != 2 || poly.len() != 2 {
        return Ok(None);
    }
    let mut terms = poly.terms();
    let (Some((one, a)), Some((surd, b))) = (terms.next(), terms.next()) else { return Ok(None) };
    let square_root =
        |m: &Monomial| m.0.iter().all(|(g, e)| matches!(g, Gen::Prime(_)) && e.d == 2);
    if !one.is_one() || !square_root(surd) {
        return Ok(None);
    }
    let square = Poly::from_monomial(surd.scale(Exponent::integer(2))?, &b.mul(b, fuel)?, fuel)?;
    let Some(square) = square.as_constant() else { return Ok(None) };
    let discriminant = a.mul(a, fuel)?.sub(&square, fuel)?;
    if discriminant.is_negative() || a.is_negative() {
        return Ok(None);
    }
    let half = Rational::small_ratio(1, 2).ok_or(Stop::Undefined)?;
    let root = radical(&discriminant, &half, fuel)?;
    let Some(root) = root.rational() else { return Ok(None) };
    let x = a.add(root, fuel)?.mul(&half, fuel)?;
    let y = a.sub(root, fuel)?.mul(&half, fuel)?;
    let (x, y) = (radical(&x, &half, fuel)?, radical(&y, &half, fuel)?);
    if b.is_negative() { x.sub(&y, fuel).map(Some) } else { x.add(&y, fuel).map(Some) }
}
