//! Decimals against the values that they stand for.

use crate::canon::real_value;
use crate::equal::Compare;
use crate::exact::{Fraction, Rational};
use crate::fuel::Stop;
use crate::value::Scalar;
use crate::{DecimalRule, Path, Verdict};

impl Compare<'_> {
    /// Equal by the rule for decimals, if that applies and they are.
    pub(super) fn by_decimals(&self, a: &Scalar, b: &Scalar) -> Option<Verdict> {
        let equal = match self.profile.decimals {
            DecimalRule::Exact => false,
            DecimalRule::Places(places) => {
                (a.inexact || b.inexact)
                    && self.rounded(&a.value, places)? == self.rounded(&b.value, places)?
            }
            DecimalRule::Significant(least) => {
                self.stands_for(a, &b.value, least) || self.stands_for(b, &a.value, least)
            }
        };
        equal.then_some(Verdict::Equal(Path::Decimal))
    }

    /// The value times `10^places`, rounded half up.
    fn rounded(&self, value: &Fraction, places: u32) -> Option<num_bigint::BigInt> {
        let scale = Rational::from_big(num_bigint::BigInt::from(10).pow(places));
        let half = Rational::small_ratio(1, 2)?;
        if let Some(number) = value.rational() {
            let shifted = number.mul(&scale, &self.fuel).ok()?.add(&half, &self.fuel).ok()?;
            return Some(shifted.floor().numerator());
        }
        let scaled = value.mul(&Fraction::Rational(scale), &self.fuel).ok()?;
        let shifted = scaled.add(&Fraction::Rational(half), &self.fuel).ok()?;
        real_value(&shifted, 160, &self.fuel)?.floor().ok().flatten()
    }

    /// Whether a decimal literal is `exact` rounded to its own digits.
    fn stands_for(&self, decimal: &Scalar, exact: &Fraction, least: u32) -> bool {
        let Some(places) = decimal.places else { return false };
        let Some(number) = decimal.value.rational() else { return false };
        let digits = number.numerator().magnitude().to_string().len();
        // Zeros in front count for nothing, those behind the point for what they are.
        let scale = Rational::from_big(num_bigint::BigInt::from(10).pow(places));
        let scaled =
            number.mul(&scale, &self.fuel).map(|n| n.numerator().magnitude().to_string().len());
        let significant = scaled.unwrap_or(digits);
        if significant < least as usize {
            return false;
        }
        match (self.rounded(exact, places), self.rounded(&decimal.value, places)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        }
    }

    /// Whether `a ≈ b` may be claimed: they differ by no more than a unit of the last digit given,
    /// and without a decimal not at all.
    pub(super) fn roughly(&self, a: &Scalar, b: &Scalar) -> Result<bool, Stop> {
        let Some(places) = a.places.into_iter().chain(b.places).min() else {
            return Ok(self.scalars(a, b).is_equal());
        };
        let unit = Rational::from_big(num_bigint::BigInt::from(10).pow(places)).recip()?;
        let difference = a.value.sub(&b.value, &self.fuel)?;
        let Some(size) = real_value(&difference, 160, &self.fuel) else { return Ok(false) };
        let unit = crate::ball::Ball::rational(&unit, 160, &self.fuel)?;
        let below = |value: crate::ball::Ball| -> Result<bool, Stop> {
            let rest = unit.sub(&value, 160, &self.fuel)?;
            Ok(rest.sign() != Some(num_bigint::Sign::Minus))
        };
        Ok(below(size.clone())? && below(size.neg())?)
    }
}
