//! Reads a whole string as one exact number; one unexpected character and it is none.
//!
//! ```text
//! number   = sign? currency? sign? (frac | slash | decimal power?) percent?
//! frac     = (\frac | \dfrac | \tfrac) part part      part = {sign? decimal} | digit
//! slash    = decimal / decimal
//! decimal  = digits (, ddd)* (. digits)? | . digits
//! power    = (e | E) exponent | (\times | \cdot | × | · | *) 10^ (exponent | {exponent})
//! ```

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Zero, pow};

use crate::reading::{Unread, Value};
use crate::{Limits, PercentRule};

const FRACTIONS: [&str; 3] = ["\\frac", "\\dfrac", "\\tfrac"];
const TIMES: [&str; 5] = ["\\times", "\\cdot", "×", "·", "*"];
/// The comma as written plainly and in the three ways TeX keeps it from being spaced as a list.
const SEPARATORS: [&str; 4] = [",", "{,}", ",\\!", "\\,"];

/// The value of `text`. The digits are counted before any arithmetic, so the cost is bounded by
/// the length of `text` and `limits`.
pub(crate) fn read(text: &str, limits: &Limits, percent: PercentRule) -> Result<Value, Unread> {
    if text.bytes().filter(u8::is_ascii_digit).count() > limits.max_digits {
        return Err(Unread::OverLimit);
    }
    let mut cursor = Cursor { rest: text };
    let (number, has_percent) = cursor.number(limits)?;
    Ok(match percent {
        _ if !has_percent => Value::Number(number),
        PercentRule::Distinct => Value::Percent(number),
        PercentRule::Fraction => Value::Number(number / BigInt::from(100)),
        PercentRule::Number => Value::Number(number),
    })
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn number(&mut self, limits: &Limits) -> Result<(BigRational, bool), Unread> {
        let outer = self.sign();
        let currency = self.eat_any(&["\\$", "$"]);
        let inner = if currency && outer.is_none() { self.sign() } else { None };
        let magnitude = if self.eat_any(&FRACTIONS) { self.frac()? } else { self.plain(limits)? };
        self.spaces();
        let percent = !currency && self.eat_any(&["\\%", "%"]);
        self.spaces();
        let negative = outer.or(inner).unwrap_or(false);
        let number = if negative { -magnitude } else { magnitude };
        if self.rest.is_empty() { Ok((number, percent)) } else { Err(Unread::NotANumber) }
    }

    /// What follows `\frac`: two braced numbers or, as in TeX, two single digits.
    fn frac(&mut self) -> Result<BigRational, Unread> {
        let numerator = self.part()?;
        let denominator = self.part()?;
        divide(numerator, denominator)
    }

    fn part(&mut self) -> Result<BigRational, Unread> {
        self.spaces();
        if !self.eat("{") {
            let digit = self.rest.chars().next().and_then(|c| c.to_digit(10));
            let digit = digit.ok_or(Unread::NotANumber)?;
            self.rest = &self.rest[1..];
            return Ok(BigRational::from(BigInt::from(digit)));
        }
        let negative = self.sign().unwrap_or(false);
        let value = self.decimal()?;
        self.spaces();
        let value = if negative { -value } else { value };
        if self.eat("}") { Ok(value) } else { Err(Unread::NotANumber) }
    }

    fn plain(&mut self, limits: &Limits) -> Result<BigRational, Unread> {
        let value = self.decimal()?;
        if self.eat_any(&["e", "E"]) {
            return scale(value, self.exponent()?, limits);
        }
        self.spaces();
        if self.eat("/") {
            self.spaces();
            return divide(value, self.decimal()?);
        }
        if self.eat_any(&TIMES) {
            self.spaces();
            let exponent = self.power_of_ten()?;
            return scale(value, exponent, limits);
        }
        Ok(value)
    }

    fn power_of_ten(&mut self) -> Result<Exponent<'a>, Unread> {
        if self.eat("10^{") {
            let exponent = self.exponent()?;
            return if self.eat("}") { Ok(exponent) } else { Err(Unread::NotANumber) };
        }
        if self.eat("10^") { self.exponent() } else { Err(Unread::NotANumber) }
    }

    fn exponent(&mut self) -> Result<Exponent<'a>, Unread> {
        let negative = self.sign().unwrap_or(false);
        let digits = self.digits();
        if digits.is_empty() { Err(Unread::NotANumber) } else { Ok(Exponent { negative, digits }) }
    }

    fn decimal(&mut self) -> Result<BigRational, Unread> {
        self.spaces();
        let mut digits = self.integer();
        let mut places = 0;
        let point = self.rest.strip_prefix('.').filter(|tail| starts_with_digit(tail));
        if let Some(tail) = point {
            self.rest = tail;
            let fraction = self.digits();
            digits.push_str(fraction);
            places = fraction.len();
        }
        let digits = digits.parse::<BigInt>().map_err(|_| Unread::NotANumber)?;
        Ok(BigRational::new(digits, pow(BigInt::from(10), places)))
    }

    /// Digits, without the separators between groups of three. One separator throughout; a
    /// leading zero starts no group, since `0,123` is a list or a decimal comma.
    fn integer(&mut self) -> String {
        let mut digits = self.digits().to_owned();
        let groups = (1..=3).contains(&digits.len()) && !digits.starts_with('0');
        let separator = SEPARATORS.into_iter().find(|s| groups && self.group(s).is_some());
        while let Some((group, tail)) = separator.and_then(|s| self.group(s)) {
            digits.push_str(group);
            self.rest = tail;
        }
        digits
    }

    /// The next separated group of exactly three digits, and what follows it.
    fn group(&self, separator: &str) -> Option<(&'a str, &'a str)> {
        let tail = self.rest.strip_prefix(separator)?;
        let (group, tail) = tail.split_at_checked(3)?;
        let whole = group.bytes().all(|b| b.is_ascii_digit()) && !starts_with_digit(tail);
        whole.then_some((group, tail))
    }

    fn digits(&mut self) -> &'a str {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, tail) = self.rest.split_at(end);
        self.rest = tail;
        digits
    }

    /// `Some(true)` for a minus, `Some(false)` for a plus.
    fn sign(&mut self) -> Option<bool> {
        self.spaces();
        let negative = if self.eat_any(&["-", "\u{2212}"]) {
            Some(true)
        } else {
            self.eat("+").then_some(false)
        };
        self.spaces();
        negative
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        let tail = self.rest.strip_prefix(token);
        self.rest = tail.unwrap_or(self.rest);
        tail.is_some()
    }

    fn eat_any(&mut self, tokens: &[&str]) -> bool {
        tokens.iter().any(|token| self.eat(token))
    }
}

struct Exponent<'a> {
    negative: bool,
    digits: &'a str,
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn divide(numerator: BigRational, denominator: BigRational) -> Result<BigRational, Unread> {
    if denominator.is_zero() { Err(Unread::NotANumber) } else { Ok(numerator / denominator) }
}

fn scale(
    value: BigRational,
    exponent: Exponent<'_>,
    limits: &Limits,
) -> Result<BigRational, Unread> {
    let size = exponent.digits.parse::<u32>().map_err(|_| Unread::OverLimit)?;
    if size > limits.max_exponent {
        return Err(Unread::OverLimit);
    }
    let factor = pow(BigInt::from(10), size as usize);
    Ok(if exponent.negative { value / factor } else { value * factor })
}
