use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint};
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

use crate::fuel::{Fuel, Stop};

/// An exact rational in lowest terms with a positive denominator. Those that fit are two machine
/// words; the others are big, so that equal values have equal representations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Rational {
    /// Neither part is `i64::MIN`, so that negation fits.
    Small(i64, i64),
    Big(Box<BigRational>),
}

use Rational::{Big, Small};

impl Rational {
    pub(crate) const ZERO: Self = Small(0, 1);
    pub(crate) const ONE: Self = Small(1, 1);

    pub(crate) fn from_i64(value: i64) -> Self {
        if value == i64::MIN { Self::from_big(BigInt::from(value)) } else { Small(value, 1) }
    }

    pub(crate) fn from_big(value: BigInt) -> Self {
        match value.to_i64() {
            Some(small) if small != i64::MIN => Small(small, 1),
            _ => Big(Box::new(BigRational::from_integer(value))),
        }
    }

    /// `None` for a zero denominator.
    pub(crate) fn ratio(numerator: BigInt, denominator: BigInt) -> Option<Self> {
        (!denominator.is_zero()).then(|| Self::shrink(BigRational::new(numerator, denominator)))
    }

    pub(crate) fn small_ratio(numerator: i64, denominator: i64) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        Some(Self::reduce(i128::from(numerator), i128::from(denominator)))
    }

    fn reduce(numerator: i128, denominator: i128) -> Self {
        let gcd = gcd(numerator.unsigned_abs(), denominator.unsigned_abs()).max(1) as i128;
        let sign = if denominator < 0 { -1 } else { 1 };
        let (n, d) = (sign * (numerator / gcd), sign * (denominator / gcd));
        match (i64::try_from(n), i64::try_from(d)) {
            (Ok(n), Ok(d)) if n != i64::MIN => Small(n, d),
            _ => Big(Box::new(BigRational::new_raw(BigInt::from(n), BigInt::from(d)))),
        }
    }

    fn shrink(value: BigRational) -> Self {
        match (value.numer().to_i64(), value.denom().to_i64()) {
            (Some(n), Some(d)) if n != i64::MIN => Small(n, d),
            _ => Big(Box::new(value)),
        }
    }

    fn big(&self) -> BigRational {
        match self {
            Small(n, d) => BigRational::new_raw(BigInt::from(*n), BigInt::from(*d)),
            Big(value) => (**value).clone(),
        }
    }

    pub(crate) fn numerator(&self) -> BigInt {
        match self {
            Small(n, _) => BigInt::from(*n),
            Big(value) => value.numer().clone(),
        }
    }

    pub(crate) fn denominator(&self) -> BigInt {
        match self {
            Small(_, d) => BigInt::from(*d),
            Big(value) => value.denom().clone(),
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        matches!(self, Small(0, _))
    }

    pub(crate) fn is_one(&self) -> bool {
        matches!(self, Small(1, 1))
    }

    pub(crate) fn is_integer(&self) -> bool {
        match self {
            Small(_, d) => *d == 1,
            Big(value) => value.is_integer(),
        }
    }

    pub(crate) fn is_negative(&self) -> bool {
        match self {
            Small(n, _) => *n < 0,
            Big(value) => value.is_negative(),
        }
    }

    pub(crate) fn to_i64(&self) -> Option<i64> {
        match self {
            Small(n, 1) => Some(*n),
            _ => None,
        }
    }

    /// The two parts, if both fit.
    pub(crate) fn to_small(&self) -> Option<(i64, i64)> {
        match self {
            Small(n, d) => Some((*n, *d)),
            Big(_) => None,
        }
    }

    /// Bits of the larger part.
    pub(crate) fn bits(&self) -> u64 {
        match self {
            Small(..) => 64,
            Big(value) => value.numer().bits().max(value.denom().bits()),
        }
    }

    pub(crate) fn neg(&self) -> Self {
        match self {
            Small(n, d) => Small(-n, *d),
            Big(value) => Self::shrink(-(**value).clone()),
        }
    }

    pub(crate) fn abs(&self) -> Self {
        if self.is_negative() { self.neg() } else { self.clone() }
    }

    pub(crate) fn add(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        if let (Small(a, b), Small(c, d)) = (self, other) {
            fuel.spend(1)?;
            let (a, b, c, d) = (i128::from(*a), i128::from(*b), i128::from(*c), i128::from(*d));
            if b == 1 && d == 1 {
                return Ok(Self::reduce(a + c, 1));
            }
            // |a d| and |c b| are below 2^126, so their sum fits.
            return Ok(Self::reduce(a * d + c * b, b * d));
        }
        let bits = self.bits() + other.bits();
        if self.is_integer() && other.is_integer() {
            fuel.number(bits)?;
            return Ok(Self::from_big(self.numerator() + other.numerator()));
        }
        fuel.reduction(bits)?;
        Ok(Self::shrink(self.big() + other.big()))
    }

    pub(crate) fn sub(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        self.add(&other.neg(), fuel)
    }

    pub(crate) fn mul(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        if let (Small(a, b), Small(c, d)) = (self, other) {
            fuel.spend(1)?;
            let (a, b, c, d) = (i128::from(*a), i128::from(*b), i128::from(*c), i128::from(*d));
            return Ok(Self::reduce(a * c, b * d));
        }
        let bits = self.bits() + other.bits();
        if self.is_integer() && other.is_integer() {
            fuel.number(bits)?;
            return Ok(Self::from_big(self.numerator() * other.numerator()));
        }
        fuel.reduction(bits)?;
        Ok(Self::shrink(self.big() * other.big()))
    }

    pub(crate) fn recip(&self) -> Result<Self, Stop> {
        match self {
            Small(0, _) => Err(Stop::Undefined),
            Small(n, d) => Ok(if *n < 0 { Small(-d, -n) } else { Small(*d, *n) }),
            Big(value) => Ok(Self::shrink(value.recip())),
        }
    }

    pub(crate) fn div(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        self.mul(&other.recip()?, fuel)
    }

    pub(crate) fn pow(&self, exponent: i64, fuel: &Fuel) -> Result<Self, Stop> {
        if exponent == 0 || self.is_one() {
            return Ok(Self::ONE);
        }
        if self.is_zero() {
            return if exponent > 0 { Ok(Self::ZERO) } else { Err(Stop::Undefined) };
        }
        if *self == Small(-1, 1) {
            return Ok(if exponent % 2 == 0 { Self::ONE } else { Small(-1, 1) });
        }
        let base = if exponent < 0 { self.recip()? } else { self.clone() };
        let size = exponent.unsigned_abs();
        let (n, d) = (base.numerator(), base.denominator());
        let bits = n.bits().max(d.bits());
        fuel.number(bits.checked_mul(size).ok_or(Stop::TooBig)?)?;
        let size = u32::try_from(size).map_err(|_| Stop::TooBig)?;
        let power = BigRational::new_raw(n.pow(size), d.pow(size));
        Ok(Self::shrink(power))
    }

    /// Largest integer that is not larger.
    pub(crate) fn floor(&self) -> Self {
        match self {
            Small(n, d) => Small(n.div_euclid(*d), 1),
            Big(value) => Self::shrink(value.floor()),
        }
    }

    /// This modulo `modulus`, in `[0, |modulus|)`.
    pub(crate) fn modulo(&self, modulus: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        let modulus = modulus.abs();
        let whole = self.div(&modulus, fuel)?.floor();
        self.sub(&whole.mul(&modulus, fuel)?, fuel)
    }

    pub(crate) fn gcd(&self, other: &Self) -> Self {
        Self::from_big(self.numerator().gcd(&other.numerator()))
    }

    /// Absolute numerator and denominator.
    pub(crate) fn magnitude(&self) -> (BigUint, BigUint) {
        (self.numerator().magnitude().clone(), self.denominator().magnitude().clone())
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Small(a, b), Small(c, d)) => {
                (i128::from(*a) * i128::from(*d)).cmp(&(i128::from(*c) * i128::from(*b)))
            }
            _ => self.big().cmp(&other.big()),
        }
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    if let (Ok(x), Ok(y)) = (u64::try_from(a), u64::try_from(b)) {
        return u128::from(x.gcd(&y));
    }
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
