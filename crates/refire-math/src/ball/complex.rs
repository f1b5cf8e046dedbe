use num_bigint::Sign;

use crate::ball::Ball;
use crate::fuel::{Fuel, Stop};

/// A box in the complex plane.
#[derive(Debug, Clone)]
pub(crate) struct Complex {
    pub(crate) re: Ball,
    pub(crate) im: Ball,
}

impl Complex {
    pub(crate) fn real(re: Ball) -> Self {
        Self { re, im: Ball::integer(0) }
    }

    pub(crate) fn is_real(&self) -> bool {
        self.im.is_zero()
    }

    pub(crate) fn contains_zero(&self) -> bool {
        self.re.contains_zero() && self.im.contains_zero()
    }

    pub(crate) fn add(&self, other: &Self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        Ok(Self {
            re: self.re.add(&other.re, bits, fuel)?,
            im: self.im.add(&other.im, bits, fuel)?,
        })
    }

    pub(crate) fn sub(&self, other: &Self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        Ok(Self {
            re: self.re.sub(&other.re, bits, fuel)?,
            im: self.im.sub(&other.im, bits, fuel)?,
        })
    }

    pub(crate) fn mul(&self, other: &Self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        if self.is_real() && other.is_real() {
            return Ok(Self::real(self.re.mul(&other.re, bits, fuel)?));
        }
        let product = |a: &Ball, b: &Ball| a.mul(b, bits, fuel);
        Ok(Self {
            re: product(&self.re, &other.re)?.sub(&product(&self.im, &other.im)?, bits, fuel)?,
            im: product(&self.re, &other.im)?.add(&product(&self.im, &other.re)?, bits, fuel)?,
        })
    }

    pub(crate) fn recip(&self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        if self.is_real() {
            return Ok(Self::real(Ball::integer(1).div(&self.re, bits, fuel)?));
        }
        let norm = self.re.mul(&self.re, bits, fuel)?.add(
            &self.im.mul(&self.im, bits, fuel)?,
            bits,
            fuel,
        )?;
        Ok(Self { re: self.re.div(&norm, bits, fuel)?, im: self.im.neg().div(&norm, bits, fuel)? })
    }

    pub(crate) fn powi(&self, exponent: i64, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        let base = if exponent < 0 { self.recip(bits + 16, fuel)? } else { self.clone() };
        if base.is_real() {
            return Ok(Self::real(base.re.powi(exponent.unsigned_abs(), bits, fuel)?));
        }
        let (mut result, mut square, mut left) =
            (Self::real(Ball::integer(1)), base, exponent.unsigned_abs());
        while left > 0 {
            if left & 1 == 1 {
                result = result.mul(&square, bits + 32, fuel)?;
            }
            left >>= 1;
            if left > 0 {
                square = square.mul(&square, bits + 32, fuel)?;
            }
        }
        Ok(result)
    }

    pub(crate) fn exp(&self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        let size = self.re.exp(bits + 8, fuel)?;
        if self.is_real() {
            return Ok(Self::real(size));
        }
        let (cos, sin) = self.im.cos_sin(bits + 8, fuel)?;
        Ok(Self { re: size.mul(&cos, bits, fuel)?, im: size.mul(&sin, bits, fuel)? })
    }

    /// The principal logarithm, away from zero and from the negative axis unless exactly on it.
    pub(crate) fn ln(&self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        if self.is_real() {
            return match self.re.sign() {
                Some(Sign::Plus) => Ok(Self::real(self.re.ln(bits, fuel)?)),
                Some(Sign::Minus) => {
                    Ok(Self { re: self.re.neg().ln(bits, fuel)?, im: Ball::pi(bits, fuel)? })
                }
                _ => Err(Stop::Undefined),
            };
        }
        let wide = bits + 16;
        let norm = self.re.mul(&self.re, wide, fuel)?.add(
            &self.im.mul(&self.im, wide, fuel)?,
            wide,
            fuel,
        )?;
        let mut re = norm.ln(wide, fuel)?;
        re.exponent -= 1;
        Ok(Self { re, im: self.argument(bits, fuel)? })
    }

    fn argument(&self, bits: u64, fuel: &Fuel) -> Result<Ball, Stop> {
        let wide = bits + 16;
        let mut half = Ball::pi(wide, fuel)?;
        half.exponent -= 1;
        match (self.im.sign(), self.re.sign()) {
            (_, Some(Sign::Plus)) => self.im.div(&self.re, wide, fuel)?.atan(bits, fuel),
            // Above and below the axis the angle is measured from the imaginary one.
            (Some(Sign::Plus), _) => {
                half.sub(&self.re.div(&self.im, wide, fuel)?.atan(wide, fuel)?, bits, fuel)
            }
            (Some(Sign::Minus), _) => {
                half.neg().sub(&self.re.div(&self.im, wide, fuel)?.atan(wide, fuel)?, bits, fuel)
            }
            _ => Err(Stop::Undefined),
        }
    }

    /// The principal `degree`-th root; real for a nonnegative real.
    pub(crate) fn root(&self, degree: u32, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        if self.is_real() && matches!(self.re.sign(), Some(Sign::Plus | Sign::NoSign)) {
            return Ok(Self::real(self.re.root(degree, bits, fuel)?));
        }
        if self.is_real() && degree == 2 && self.re.sign() == Some(Sign::Minus) {
            return Ok(Self { re: Ball::integer(0), im: self.re.neg().root(2, bits, fuel)? });
        }
        if self.is_real() && degree % 2 == 1 && self.re.sign() == Some(Sign::Minus) {
            // The real root, as school mathematics reads a root of odd degree.
            return Ok(Self::real(self.re.neg().root(degree, bits, fuel)?.neg()));
        }
        let log = self.ln(bits + 16, fuel)?;
        let degree = Ball::integer(degree.into());
        Self {
            re: log.re.div(&degree, bits + 16, fuel)?,
            im: log.im.div(&degree, bits + 16, fuel)?,
        }
        .exp(bits, fuel)
    }
}
