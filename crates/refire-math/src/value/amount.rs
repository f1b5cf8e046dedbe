//! Numbers with units.

use num_bigint::BigInt;

use crate::exact::{Fraction, Rational};
use crate::fuel::Stop;
use crate::syntax::Id;
use crate::unit::{self, Unit};
use crate::value::reader::Read;
use crate::value::{Reader, Time, Value};

impl Reader<'_> {
    /// An amount behind the sign of a currency; the name of the same currency may follow it.
    pub(super) fn money(&self, sign: &str, inside: Id) -> Read {
        let unit = Unit::money(sign);
        match self.value(inside)? {
            Value::Scalar(mut scalar) if !scalar.percent => {
                if scalar.unit.as_ref().is_some_and(|known| *known != unit) {
                    return Err(Stop::Unsupported);
                }
                scalar.unit = Some(unit);
                Ok(Value::Scalar(scalar))
            }
            _ => Err(Stop::Unsupported),
        }
    }

    pub(super) fn unit(&self, inside: Id, words: &str) -> Read {
        const SCALES: [(&str, u32); 5] =
            [("hundred", 2), ("thousand", 3), ("million", 6), ("billion", 9), ("trillion", 12)];
        if let Some(afternoon) = Time::half(words) {
            let parts = match self.inner_scalar(inside)?.value.rational() {
                Some(hour) if hour.is_integer() => vec![hour.clone()],
                _ => return Err(Stop::Unsupported),
            };
            return Ok(Value::Time(Time { parts, afternoon: Some(afternoon) }));
        }
        let flat = unit::flatten(words);
        if matches!(flat.as_str(), "percent" | "percentage" | "pct" | "per cent" | "percents") {
            let mut scalar = self.inner_scalar(inside)?;
            scalar.percent = true;
            return Ok(Value::Scalar(scalar));
        }
        let (first, rest) = flat.split_once(' ').unwrap_or((&flat, ""));
        let scale = SCALES.iter().find(|(name, _)| unit::singular(&first.to_lowercase()) == *name);
        let mut scalar = self.inner_scalar(inside)?;
        let mut phrase = flat.as_str();
        if let Some((_, zeros)) = scale {
            let factor = Fraction::Rational(Rational::from_big(BigInt::from(10).pow(*zeros)));
            scalar.value = scalar.value.mul(&factor, self.fuel)?;
            phrase = rest;
        }
        let unit = Unit::parse(phrase);
        if unit.hedges() {
            return Err(Stop::Unsupported);
        }
        if unit.is_empty() {
            return Ok(Value::Scalar(scalar));
        }
        match &scalar.unit {
            None => scalar.unit = Some(unit),
            // `5^\circ\text{C}` and `\$5 \text{ dollars}`.
            Some(known) if known.is_angle() && matches!(phrase, "C" | "F" | "K") => {
                scalar.unit = Some(Unit::Words(vec![phrase.to_lowercase()]));
            }
            Some(known) if *known == unit => {}
            Some(_) => return Err(Stop::Unsupported),
        }
        Ok(Value::Scalar(scalar))
    }
}
