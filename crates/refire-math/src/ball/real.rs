use num_bigint::{BigInt, Sign};
use num_traits::{One, Signed, Zero};

use crate::exact::Rational;
use crate::fuel::{Fuel, Stop};

/// All reals within `radius * 2^exponent` of `middle * 2^exponent`. Every operation returns a ball
/// that contains all results over its operands.
#[derive(Debug, Clone)]
pub(crate) struct Ball {
    pub(super) middle: BigInt,
    pub(super) radius: BigInt,
    pub(super) exponent: i64,
}

/// Largest magnitude of an exponent.
const MAX_EXPONENT: i64 = 1 << 50;

impl Ball {
    pub(crate) fn integer(value: i64) -> Self {
        Self { middle: value.into(), radius: BigInt::zero(), exponent: 0 }
    }

    pub(crate) fn rational(value: &Rational, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        let numerator = Self { middle: value.numerator(), radius: BigInt::zero(), exponent: 0 };
        if value.is_integer() {
            return numerator.rounded(bits);
        }
        let denominator = Self { middle: value.denominator(), radius: BigInt::zero(), exponent: 0 };
        numerator.div(&denominator, bits, fuel)
    }

    /// The same values, or a few more, with a middle of about `bits` bits.
    pub(super) fn rounded(mut self, bits: u64) -> Result<Self, Stop> {
        let excess =
            self.middle.bits().saturating_sub(bits).max(self.radius.bits().saturating_sub(32));
        if excess > 0 {
            self.middle >>= excess;
            // One for the middle, one for the radius, both rounded down.
            self.radius = (self.radius >> excess) + 2;
            self.exponent += i64::try_from(excess).map_err(|_| Stop::TooBig)?;
        }
        if self.exponent.abs() > MAX_EXPONENT { Err(Stop::TooBig) } else { Ok(self) }
    }

    pub(crate) fn neg(&self) -> Self {
        Self { middle: -&self.middle, ..self.clone() }
    }

    pub(crate) fn add(&self, other: &Self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        fuel.spend(4)?;
        fuel.number(bits)?;
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        if high.middle.is_zero() && high.radius.is_zero() {
            return low.clone().rounded(bits);
        }
        let gap = u64::try_from(high.exponent - low.exponent).map_err(|_| Stop::TooBig)?;
        let reach = high.middle.bits().max(1) + bits + 8;
        if gap > reach + low.middle.bits() + low.radius.bits() {
            // The smaller one vanishes in the rounding of the larger.
            let shift = reach.min(gap);
            let sum = Self {
                middle: &high.middle << shift,
                radius: (&high.radius << shift) + 1,
                exponent: high.exponent - i64::try_from(shift).map_err(|_| Stop::TooBig)?,
            };
            return sum.rounded(bits);
        }
        let sum = Self {
            middle: (&high.middle << gap) + &low.middle,
            radius: (&high.radius << gap) + &low.radius,
            exponent: low.exponent,
        };
        sum.rounded(bits)
    }

    pub(crate) fn sub(&self, other: &Self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        self.add(&other.neg(), bits, fuel)
    }

    pub(crate) fn mul(&self, other: &Self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        fuel.spend(4)?;
        fuel.number(bits)?;
        let radius = self.middle.abs() * &other.radius
            + other.middle.abs() * &self.radius
            + &self.radius * &other.radius;
        let product = Self {
            middle: &self.middle * &other.middle,
            radius,
            exponent: self.exponent + other.exponent,
        };
        product.rounded(bits)
    }

    pub(crate) fn div(&self, other: &Self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        fuel.spend(4)?;
        fuel.number(bits)?;
        let least = other.middle.abs() - &other.radius;
        if !least.is_positive() {
            return Err(Stop::Undefined);
        }
        let shift = (bits + other.middle.bits() + 4).saturating_sub(self.middle.bits()).max(4);
        let middle: BigInt = (&self.middle << shift) / &other.middle;
        // |a/b - A/B| <= (r_a |B| + r_b |A|) / (|B| (|B| - r_b))
        let spread =
            (&self.radius * other.middle.abs() + &other.radius * self.middle.abs()) << shift;
        let radius = spread / (other.middle.abs() * least) + 2;
        let shift = i64::try_from(shift).map_err(|_| Stop::TooBig)?;
        Self { middle, radius, exponent: self.exponent - other.exponent - shift }.rounded(bits)
    }

    pub(crate) fn powi(&self, exponent: u64, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        let bits = bits + 64;
        let (mut result, mut base, mut left) = (Self::integer(1), self.clone(), exponent);
        while left > 0 {
            if left & 1 == 1 {
                result = result.mul(&base, bits, fuel)?;
            }
            left >>= 1;
            if left > 0 {
                base = base.mul(&base, bits, fuel)?;
            }
        }
        Ok(result)
    }

    /// The `degree`-th root of a ball of positive numbers, or of exactly zero.
    pub(crate) fn root(&self, degree: u32, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        if self.is_zero() {
            return Ok(Self::integer(0));
        }
        if self.sign() != Some(Sign::Plus) || degree == 0 {
            return Err(Stop::Undefined);
        }
        fuel.number(bits * u64::from(degree).min(64))?;
        let low = &self.middle - &self.radius;
        let high = &self.middle + &self.radius;
        let wide = bits * u64::from(degree) + 64;
        let shift = wide.saturating_sub(low.bits());
        let rest = (self.exponent - i64::try_from(shift).map_err(|_| Stop::TooBig)?)
            .rem_euclid(i64::from(degree));
        let shift = shift + u64::try_from(rest).unwrap_or(0);
        let exponent = (self.exponent - i64::try_from(shift).map_err(|_| Stop::TooBig)?)
            .div_euclid(i64::from(degree));
        let low = (low << shift).nth_root(degree);
        let high = (high << shift).nth_root(degree) + 1;
        Self::between(low, high, exponent).rounded(bits)
    }

    /// The smallest ball around `[low, high] * 2^exponent`.
    pub(super) fn between(low: BigInt, high: BigInt, exponent: i64) -> Self {
        let middle = &low + &high;
        let radius: BigInt = (high - low).abs();
        Self { middle, radius, exponent: exponent - 1 }
    }

    /// Whether this is exactly zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.middle.is_zero() && self.radius.is_zero()
    }

    /// The sign, if all values share it.
    pub(crate) fn sign(&self) -> Option<Sign> {
        if self.is_zero() {
            return Some(Sign::NoSign);
        }
        (self.middle.magnitude() > self.radius.magnitude()).then(|| self.middle.sign())
    }

    pub(crate) fn contains_zero(&self) -> bool {
        self.middle.magnitude() <= self.radius.magnitude()
    }

    /// An upper bound of log2 of the largest magnitude.
    pub(crate) fn log2_bound(&self) -> i64 {
        let bits = (self.middle.abs() + &self.radius).bits();
        i64::try_from(bits).unwrap_or(i64::MAX / 4) + self.exponent
    }

    /// The integer part, if it is the same for all values.
    pub(crate) fn floor(&self) -> Result<Option<BigInt>, Stop> {
        if self.log2_bound() > 4096 {
            return Err(Stop::TooBig);
        }
        let floor = |value: BigInt| {
            if self.exponent >= 0 {
                value << u64::try_from(self.exponent).unwrap_or(0)
            } else {
                let shift = u64::try_from(-self.exponent).unwrap_or(0);
                if shift > value.bits() + 2 {
                    if value.is_negative() { -BigInt::one() } else { BigInt::zero() }
                } else {
                    value >> shift
                }
            }
        };
        let low = floor(&self.middle - &self.radius);
        let high = floor(&self.middle + &self.radius);
        Ok((low == high).then_some(low))
    }

    /// A nearby machine number, for guesses only.
    pub(crate) fn approximate(&self) -> f64 {
        use num_traits::ToPrimitive;
        let excess = self.middle.bits().saturating_sub(60);
        let top = (&self.middle >> excess).to_f64().unwrap_or(f64::NAN);
        let exponent = self.exponent + i64::try_from(excess).unwrap_or(0);
        top * 2_f64.powi(i32::try_from(exponent).unwrap_or(i32::MAX))
    }
}
