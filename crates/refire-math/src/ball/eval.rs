use std::sync::Arc;

use crate::ball::{Ball, Complex};
use crate::exact::{Exponent, Fraction, Gen, Kernel, Monomial, Poly, Rational};
use crate::fuel::{Fuel, Stop};

/// Values for the free symbols.
#[derive(Debug, Clone, Default)]
pub(crate) struct Point {
    pub(crate) values: Vec<(Arc<str>, Rational)>,
}

/// Evaluates exact expressions as balls of a given precision.
#[derive(Debug)]
pub(crate) struct Evaluator<'a> {
    pub(crate) bits: u64,
    pub(crate) point: &'a Point,
    pub(crate) fuel: &'a Fuel,
}

type Value = Result<Complex, Stop>;

impl Evaluator<'_> {
    pub(crate) fn fraction(&self, fraction: &Fraction) -> Value {
        match fraction {
            Fraction::Rational(value) => self.rational(value),
            Fraction::Quotient(parts) => {
                let numerator = self.poly(&parts.0)?;
                if parts.1.is_one() {
                    return Ok(numerator);
                }
                let inverse = self.poly(&parts.1)?.recip(self.bits, self.fuel)?;
                numerator.mul(&inverse, self.bits, self.fuel)
            }
        }
    }

    fn rational(&self, value: &Rational) -> Value {
        Ok(Complex::real(Ball::rational(value, self.bits, self.fuel)?))
    }

    pub(crate) fn poly(&self, poly: &Poly) -> Value {
        let mut sum = Complex::real(Ball::integer(0));
        for (monomial, coefficient) in poly.terms() {
            let term =
                self.monomial(monomial)?.mul(&self.rational(coefficient)?, self.bits, self.fuel)?;
            sum = sum.add(&term, self.bits, self.fuel)?;
        }
        Ok(sum)
    }

    fn monomial(&self, monomial: &Monomial) -> Value {
        let mut product = Complex::real(Ball::integer(1));
        for (generator, exponent) in &monomial.0 {
            product = product.mul(&self.power(generator, *exponent)?, self.bits, self.fuel)?;
        }
        Ok(product)
    }

    fn power(&self, generator: &Gen, exponent: Exponent) -> Value {
        if let Gen::Kernel(kernel) = generator
            && let Kernel::Exp(argument) = &**kernel
        {
            let argument = self.monomial(argument)?;
            let scaled =
                argument.mul(&self.rational(&exponent.rational())?, self.bits, self.fuel)?;
            return scaled.exp(self.bits, self.fuel);
        }
        let base = self.generator(generator)?;
        if exponent.d == 1 {
            return base.powi(exponent.n, self.bits, self.fuel);
        }
        // Fractional powers stand for nonnegative bases only.
        if !base.is_real() || base.re.sign().is_none_or(|sign| sign == num_bigint::Sign::Minus) {
            return Err(Stop::Undefined);
        }
        let degree = u32::try_from(exponent.d).ok().filter(|d| *d <= 64).ok_or(Stop::TooBig)?;
        base.root(degree, self.bits + 16, self.fuel)?.powi(exponent.n, self.bits, self.fuel)
    }

    fn generator(&self, generator: &Gen) -> Value {
        match generator {
            Gen::Prime(prime) => self.rational(&Rational::from_big((*prime).into())),
            Gen::I => Ok(Complex { re: Ball::integer(0), im: Ball::integer(1) }),
            Gen::Pi => Ok(Complex::real(Ball::pi(self.bits, self.fuel)?)),
            Gen::Var(name) => {
                let value = self.point.values.iter().find(|(known, _)| known == name);
                self.rational(&value.ok_or(Stop::Unsupported)?.1)
            }
            Gen::Kernel(kernel) => self.kernel(kernel),
        }
    }

    fn kernel(&self, kernel: &Kernel) -> Value {
        match kernel {
            Kernel::Root(degree, radicand) => {
                let value = self.poly(radicand)?;
                if *degree > 64 {
                    return Err(Stop::TooBig);
                }
                value.root(*degree, self.bits, self.fuel)
            }
            Kernel::Exp(argument) => self.monomial(argument)?.exp(self.bits, self.fuel),
            Kernel::Ln(argument) => self.poly(argument)?.ln(self.bits, self.fuel),
            Kernel::Abs(inside) => {
                let value = self.real(self.poly(inside)?)?;
                match value.sign() {
                    Some(num_bigint::Sign::Minus) => Ok(Complex::real(value.neg())),
                    Some(_) => Ok(Complex::real(value)),
                    None => Err(Stop::Undefined),
                }
            }
            Kernel::CosPi(turn) => {
                let angle = Ball::pi(self.bits + 16, self.fuel)?;
                let turn = Ball::rational(turn, self.bits + 16, self.fuel)?;
                let angle = angle.mul(&turn, self.bits + 16, self.fuel)?;
                Ok(Complex::real(angle.cos_sin(self.bits, self.fuel)?.0))
            }
            Kernel::Call(name, arguments) => self.call(name, arguments),
        }
    }

    fn real(&self, value: Complex) -> Result<Ball, Stop> {
        if value.is_real() { Ok(value.re) } else { Err(Stop::Undefined) }
    }

    fn call(&self, name: &str, arguments: &[Fraction]) -> Value {
        let [argument] = arguments else { return Err(Stop::Unsupported) };
        if name == "exp" {
            return self.fraction(argument)?.exp(self.bits, self.fuel);
        }
        let value = self.real(self.fraction(argument)?)?;
        let (bits, fuel) = (self.bits, self.fuel);
        let one = Ball::integer(1);
        let result = match name {
            "floor" => self.whole(&value)?,
            "ceil" => self.whole(&value.neg())?.neg(),
            "arctan" => value.atan(bits, fuel)?,
            "arcsin" | "arccos" => {
                let rest = one.sub(&value.mul(&value, bits, fuel)?, bits, fuel)?;
                let angle = value.div(&rest.root(2, bits, fuel)?, bits, fuel)?.atan(bits, fuel)?;
                if name == "arcsin" {
                    angle
                } else {
                    let half = Ball::pi(bits, fuel)?.div(&Ball::integer(2), bits, fuel)?;
                    half.sub(&angle, bits, fuel)?
                }
            }
            "arccot" => {
                let half = Ball::pi(bits, fuel)?.div(&Ball::integer(2), bits, fuel)?;
                half.sub(&value.atan(bits, fuel)?, bits, fuel)?
            }
            _ => return Err(Stop::Unsupported),
        };
        Ok(Complex::real(result))
    }

    fn whole(&self, value: &Ball) -> Result<Ball, Stop> {
        let floor = value.floor()?.ok_or(Stop::Undefined)?;
        Ball::rational(&Rational::from_big(floor), self.bits, self.fuel)
    }
}
