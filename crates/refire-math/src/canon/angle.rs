//! Trigonometric functions: exact at rational multiples of pi, exponentials otherwise.

use crate::canon::{Exact, exponential, power};
use crate::exact::{Exponent, Fraction, Gen, Kernel, Poly, Rational};
use crate::fuel::{Fuel, Stop};

fn ratio(n: i64, d: i64) -> Result<Rational, Stop> {
    Rational::small_ratio(n, d).ok_or(Stop::Undefined)
}

/// `cos(turn * pi)`.
pub(crate) fn cos_pi(turn: &Rational, fuel: &Fuel) -> Exact {
    let mut turn = turn.modulo(&Rational::from_i64(2), fuel)?;
    if turn > Rational::ONE {
        turn = Rational::from_i64(2).sub(&turn, fuel)?;
    }
    let half = ratio(1, 2)?;
    if turn > half {
        return Ok(cos_first(&Rational::ONE.sub(&turn, fuel)?, fuel)?.neg());
    }
    cos_first(&turn, fuel)
}

/// The same for a turn in [0, 1/2].
fn cos_first(turn: &Rational, fuel: &Fuel) -> Exact {
    let (n, d) = turn.to_small().ok_or(Stop::TooBig)?;
    let root = |value: &Fraction| power::root_of(value, 1, 2, fuel);
    let surd = |value: i64| root(&Fraction::integer(value));
    let over = |value: Fraction, by: i64| value.div(&Fraction::integer(by), fuel);
    match (n, d) {
        (0, 1) => Ok(Fraction::ONE),
        (1, 2) => Ok(Fraction::ZERO),
        (1, 3) => Ok(Fraction::Rational(ratio(1, 2)?)),
        (1, 4) => over(surd(2)?, 2),
        (1, 6) => over(surd(3)?, 2),
        (1, 5) => over(surd(5)?.add(&Fraction::ONE, fuel)?, 4),
        (2, 5) => over(surd(5)?.sub(&Fraction::ONE, fuel)?, 4),
        (1, 12) => over(surd(6)?.add(&surd(2)?, fuel)?, 4),
        (5, 12) => over(surd(6)?.sub(&surd(2)?, fuel)?, 4),
        (1, 8) => over(root(&surd(2)?.add(&Fraction::integer(2), fuel)?)?, 2),
        (3, 8) => over(root(&Fraction::integer(2).sub(&surd(2)?, fuel)?)?, 2),
        (1 | 3, 10) => {
            let twice = surd(5)?.mul(&Fraction::integer(if n == 1 { 2 } else { -2 }), fuel)?;
            over(root(&twice.add(&Fraction::integer(10), fuel)?)?, 4)
        }
        _ => Ok(Fraction::of(Gen::kernel(Kernel::CosPi(turn.clone())))),
    }
}

fn sin_pi(turn: &Rational, fuel: &Fuel) -> Exact {
    cos_pi(&ratio(1, 2)?.sub(turn, fuel)?, fuel)
}

/// `exp(i * turn * pi)`.
pub(crate) fn cis(turn: &Rational, fuel: &Fuel) -> Exact {
    let sin = sin_pi(turn, fuel)?.mul(&Fraction::of(Gen::I), fuel)?;
    cos_pi(turn, fuel)?.add(&sin, fuel)
}

/// Cosine and sine of anything.
pub(crate) fn cos_sin(angle: &Fraction, fuel: &Fuel) -> Result<(Fraction, Fraction), Stop> {
    let (turn, rest) = split_turn(angle, fuel)?;
    if rest.is_zero() {
        return Ok((cos_pi(&turn, fuel)?, sin_pi(&turn, fuel)?));
    }
    let i = Fraction::of(Gen::I);
    let wave = exponential::exp(&rest.mul(&i, fuel)?, fuel)?.mul(&cis(&turn, fuel)?, fuel)?;
    let inverse = wave.recip(fuel)?;
    let half = Fraction::Rational(ratio(1, 2)?);
    let cos = wave.add(&inverse, fuel)?.mul(&half, fuel)?;
    let sin = wave.sub(&inverse, fuel)?.mul(&half, fuel)?.mul(&i.neg(), fuel)?;
    Ok((cos, sin))
}

/// The rational multiple of pi in an angle, and what is left of it.
pub(crate) fn split_turn(angle: &Fraction, fuel: &Fuel) -> Result<(Rational, Fraction), Stop> {
    let Some(poly) = angle.as_poly() else { return Ok((Rational::ZERO, angle.clone())) };
    let (mut turn, mut rest) = (Rational::ZERO, Poly::zero());
    for (monomial, coefficient) in poly.terms() {
        if matches!(monomial.0.as_slice(), [(Gen::Pi, one)] if *one == Exponent::ONE) {
            turn = coefficient.clone();
        } else {
            rest.add_term(monomial.clone(), coefficient, fuel)?;
        }
    }
    Ok((turn, Fraction::from_poly(rest)))
}

/// An inverse function: a rational multiple of pi is guessed and then checked exactly.
pub(crate) fn inverse(name: &str, value: &Fraction, fuel: &Fuel) -> Result<Option<Fraction>, Stop> {
    let kernel = Fraction::of(Gen::kernel(Kernel::Call(name.into(), vec![value.clone()])));
    let exact_end = match (name, value.rational().and_then(Rational::to_i64)) {
        ("arcsin", Some(k @ (1 | -1))) => Some(ratio(k, 2)?),
        ("arccos", Some(1)) => Some(Rational::ZERO),
        ("arccos", Some(-1)) => Some(Rational::ONE),
        _ => None,
    };
    let times_pi = |turn: Rational| Fraction::Rational(turn).mul(&Fraction::of(Gen::Pi), fuel);
    if let Some(turn) = exact_end {
        return times_pi(turn).map(Some);
    }
    let Some(ball) = crate::canon::algebra::real_value(&kernel, 96, fuel) else { return Ok(None) };
    let guess = ball.approximate() / std::f64::consts::PI;
    for d in (1..=12).chain([15, 16, 20, 24]) {
        let n = (guess * f64::from(d)).round();
        if (guess - n / f64::from(d)).abs() > 1e-12 {
            continue;
        }
        let turn = ratio(n as i64, i64::from(d))?;
        let (cos, sin) = (cos_pi(&turn, fuel)?, sin_pi(&turn, fuel)?);
        let back = match name {
            "arcsin" => sin,
            "arccos" => cos,
            "arctan" => sin.div(&cos, fuel)?,
            _ => cos.div(&sin, fuel)?,
        };
        if back.equals(value, fuel)? {
            return times_pi(turn).map(Some);
        }
    }
    Ok(None)
}
