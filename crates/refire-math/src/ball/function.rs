//! Elementary functions by their series, in fixed point, with the error counted in last places.

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::ball::Ball;
use crate::fuel::{Fuel, Stop};

impl Ball {
    /// The circle constant (Machin: `16 atan(1/5) - 4 atan(1/239)`).
    pub(crate) fn pi(bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        fuel.number(bits * 4)?;
        let scale = bits + 16;
        let one = BigInt::one() << scale;
        let (first, a) = inverse_tangent(&one, 5);
        let (second, b) = inverse_tangent(&one, 239);
        let error = 16 * a + 4 * b;
        Self::fixed(first * 16 - second * 4, error.into(), scale)?.rounded(bits)
    }

    /// The natural logarithm of 2, as `18 atanh(1/26) - 2 atanh(1/4801) + 8 atanh(1/8749)`.
    pub(crate) fn ln2(bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        fuel.number(bits * 4)?;
        let scale = bits + 16;
        let one = BigInt::one() << scale;
        let mut sum = BigInt::zero();
        let mut error = 0_u64;
        for (factor, base) in [(18_i64, 26_u64), (-2, 4801), (8, 8749)] {
            let (value, places) = inverse_series(&one, base, false);
            sum += value * factor;
            error += places * factor.unsigned_abs();
        }
        Self::fixed(sum, error.into(), scale)?.rounded(bits)
    }

    pub(super) fn fixed(middle: BigInt, radius: BigInt, scale: u64) -> Result<Self, Stop> {
        let exponent = -i64::try_from(scale).map_err(|_| Stop::TooBig)?;
        Ok(Self { middle, radius, exponent })
    }

    /// Middle and radius in units of `2^-scale`, both rounded outwards.
    fn to_fixed(&self, scale: u64) -> Result<(BigInt, BigInt), Stop> {
        let shift = self.exponent + i64::try_from(scale).map_err(|_| Stop::TooBig)?;
        if shift >= 0 {
            let shift = u64::try_from(shift).map_err(|_| Stop::TooBig)?;
            if shift > 1 << 17 {
                return Err(Stop::TooBig);
            }
            return Ok((&self.middle << shift, &self.radius << shift));
        }
        let shift = u64::try_from(-shift).map_err(|_| Stop::TooBig)?;
        if shift > self.middle.bits() + self.radius.bits() + 4 {
            return Ok((BigInt::zero(), BigInt::from(2)));
        }
        Ok((&self.middle >> shift, (&self.radius >> shift) + 2))
    }

    pub(crate) fn exp(&self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        // Beyond 2^40 the exponent would leave its range anyway.
        let size = self.log2_bound().max(0);
        if size > 40 {
            return Err(Stop::TooBig);
        }
        let scale = bits + size.unsigned_abs() + 32;
        fuel.number(scale * 8)?;
        let (value, radius) = self.to_fixed(scale)?;
        if radius.bits() >= scale {
            return Err(Stop::Undefined);
        }
        let ln2 = Self::ln2(scale + 48, fuel)?;
        let (ln2_fixed, _) = ln2.to_fixed(scale)?;
        let turns: BigInt = (&value + (&ln2_fixed >> 1)) / &ln2_fixed;
        let turns = turns.to_i64().ok_or(Stop::TooBig)?;
        let (multiple, places) =
            ln2.mul(&Self::integer(turns), scale + 96, fuel)?.to_fixed(scale)?;
        let reduced = value - multiple;
        // exp(t) = exp(t / 2^8)^(2^8)
        let halvings = 8_u64;
        let extra = scale + 16;
        let small: BigInt = (reduced << 16_u64) >> halvings;
        let mut term = BigInt::one() << extra;
        let mut sum = term.clone();
        let mut count = 1_u64;
        while !term.is_zero() && count < 4096 {
            term = (term * &small) >> extra;
            term /= count;
            sum += &term;
            count += 1;
        }
        for _ in 0..halvings {
            sum = (&sum * &sum) >> extra;
        }
        // Each term is off by 2, doubled with every squaring; then the radius of the argument.
        let rounding: BigInt = (BigInt::from(count) * 8 + 8) << halvings;
        let spread = ((&sum * (radius + places + 2)) >> scale) * 2 + rounding + 2;
        Self {
            middle: sum,
            radius: spread,
            exponent: turns - i64::try_from(extra).map_err(|_| Stop::TooBig)?,
        }
        .rounded(bits)
    }

    /// The natural logarithm of a ball of positive numbers.
    pub(crate) fn ln(&self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        if self.sign() != Some(Sign::Plus) {
            return Err(Stop::Undefined);
        }
        let size = i64::try_from(self.middle.bits()).map_err(|_| Stop::TooBig)?;
        let shift = self.exponent + size;
        // The mantissa in [1/2, 1).
        let mantissa = Self { exponent: -size, ..self.clone() };
        let wide = bits + 32;
        let one = Self::integer(1);
        let ratio =
            mantissa.sub(&one, wide, fuel)?.div(&mantissa.add(&one, wide, fuel)?, wide, fuel)?;
        fuel.number(wide * 16)?;
        let scale = wide + 16;
        let (value, radius) = ratio.to_fixed(scale)?;
        let square = (&value * &value) >> scale;
        let (mut term, mut sum, mut odd) = (value.clone(), value, 3_u64);
        // |ratio| <= 1/3, so each term is at most a ninth of the one before.
        while term.bits() > 1 && odd < 20_000 {
            term = (term * &square) >> scale;
            sum += &term / odd;
            odd += 2;
        }
        // d atanh(x) = dx / (1 - x^2) <= 9/8 dx
        let error = radius * 2 + BigInt::from(odd) * 4 + 8;
        let log = Self::fixed(sum * 2, error * 2, scale)?;
        let turns = Self::ln2(wide + 64, fuel)?.mul(&Self::integer(shift), wide, fuel)?;
        log.add(&turns, bits, fuel)
    }

    /// Cosine and sine.
    pub(crate) fn cos_sin(&self, bits: u64, fuel: &Fuel) -> Result<(Self, Self), Stop> {
        let size = self.log2_bound().max(0);
        if size > 2_000 {
            return Err(Stop::TooBig);
        }
        let scale = bits + size.unsigned_abs() + 32;
        fuel.number(scale * 8)?;
        let (value, radius) = self.to_fixed(scale)?;
        let pi = Self::pi(scale + size.unsigned_abs() + 16, fuel)?;
        let (half, _) = pi.mul(&Self::integer(1), scale + 64, fuel)?.to_fixed(scale - 1)?;
        // `half` is pi/2 in units of 2^-scale.
        let turns: BigInt = (&value + (&half >> 1)) / &half;
        let turns_ball = Self { middle: turns.clone(), radius: BigInt::zero(), exponent: -1 };
        let (multiple, places) =
            pi.mul(&turns_ball, scale + size.unsigned_abs() + 16, fuel)?.to_fixed(scale)?;
        let reduced = value - multiple;
        let square = (&reduced * &reduced) >> scale;
        let (cosine, a) = alternating(&(BigInt::one() << scale), &square, scale, 1);
        let (sine, b) = alternating(&reduced, &square, scale, 2);
        let radius: BigInt = radius + places + 4 + a.max(b);
        let cosine = Self::fixed(cosine, radius.clone(), scale)?.rounded(bits)?;
        let sine = Self::fixed(sine, radius, scale)?.rounded(bits)?;
        let quarter = turns.mod_floor(&BigInt::from(4));
        Ok(match quarter.to_u8() {
            Some(0) => (cosine, sine),
            Some(1) => (sine.neg(), cosine),
            Some(2) => (cosine.neg(), sine.neg()),
            _ => (sine, cosine.neg()),
        })
    }

    /// The inverse tangent.
    pub(crate) fn atan(&self, bits: u64, fuel: &Fuel) -> Result<Self, Stop> {
        let wide = bits + 48;
        let one = Self::integer(1);
        // Beyond 1, atan(x) = pi/2 - atan(1/x) with the sign of x.
        if self.log2_bound() > 1 {
            let sign = self.sign().ok_or(Stop::Undefined)?;
            let rest = one.div(self, wide, fuel)?.atan(wide, fuel)?;
            let mut half = Self::pi(wide, fuel)?;
            half.exponent -= 1;
            let half = if sign == Sign::Minus { half.neg() } else { half };
            return half.sub(&rest, bits, fuel);
        }
        // atan(x) = 2 atan(x / (1 + sqrt(1 + x^2))), four times.
        let mut value = self.clone();
        for _ in 0..4 {
            let hypotenuse =
                value.mul(&value, wide, fuel)?.add(&one, wide, fuel)?.root(2, wide, fuel)?;
            value = value.div(&hypotenuse.add(&one, wide, fuel)?, wide, fuel)?;
        }
        fuel.number(wide * 8)?;
        let scale = wide + 16;
        let (fixed, radius) = value.to_fixed(scale)?;
        let square = (&fixed * &fixed) >> scale;
        let (mut term, mut sum, mut odd) = (fixed.clone(), fixed, 3_u64);
        let mut minus = true;
        while term.bits() > 1 && odd < 20_000 {
            term = (term * &square) >> scale;
            let part = &term / odd;
            sum = if minus { sum - part } else { sum + part };
            minus = !minus;
            odd += 2;
        }
        let mut result = Self::fixed(sum, radius + BigInt::from(odd) * 4 + 8, scale)?;
        result.exponent += 4;
        result.rounded(bits)
    }
}

/// `sum of (-1)^k first * square^k / ((n)(n+1)...)` for cosine (n = 1) and sine (n = 2).
fn alternating(first: &BigInt, square: &BigInt, scale: u64, start: u64) -> (BigInt, BigInt) {
    let (mut term, mut sum, mut n) = (first.clone(), first.clone(), start);
    let mut minus = true;
    while term.bits() > 1 && n < 20_000 {
        term = (term * square) >> scale;
        term /= n * (n + 1);
        sum = if minus { sum - &term } else { sum + &term };
        minus = !minus;
        n += 2;
    }
    (sum, BigInt::from(n) * 4 + 8)
}

fn inverse_tangent(one: &BigInt, base: u64) -> (BigInt, u64) {
    inverse_series(one, base, true)
}

/// `atan(1 / base)` or `atanh(1 / base)`, and the error in last places.
fn inverse_series(one: &BigInt, base: u64, alternate: bool) -> (BigInt, u64) {
    let mut power = one / base;
    let mut sum = power.clone();
    let (mut odd, mut minus) = (3_u64, true);
    while power.is_positive() {
        power /= base * base;
        let part = &power / odd;
        sum = if alternate && minus { sum - part } else { sum + part };
        minus = !minus;
        odd += 2;
    }
    (sum, odd * 2 + 4)
}
