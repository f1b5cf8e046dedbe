//! Numbers and expressions, with their units.

use crate::equal::{Compare, decided, stopped};
use crate::exact::{Fraction, Gen, Rational};
use crate::fuel::Stop;
use crate::unit::Unit;
use crate::value::{Base, Form, Scalar};
use crate::{FormRule, Path, PercentRule, Reason, Verdict};

impl Compare<'_> {
    pub(super) fn scalars(&self, gold: &Scalar, answer: &Scalar) -> Verdict {
        let verdict = self.amounts(gold, answer);
        if self.profile.drop_bases && !verdict.is_equal() {
            match (&gold.base, &answer.base) {
                (Some(Base { digits: Some(digits), .. }), None) => {
                    return self.fractions(digits, &answer.value);
                }
                (None, Some(Base { digits: Some(digits), .. })) => {
                    return self.fractions(&gold.value, digits);
                }
                _ => {}
            }
        }
        if verdict.is_equal() && !self.form_fits(gold, answer) {
            return Verdict::NotEqual(Path::Form);
        }
        // Another base was asked for, whatever the value.
        match (&gold.base, &answer.base) {
            (Some(a), Some(b)) if verdict.is_equal() && a.base != b.base => {
                Verdict::Unknown(Reason::Surroundings)
            }
            (Some(_), None) | (None, Some(_)) if verdict.is_equal() => {
                Verdict::Equal(Path::UnitDropped)
            }
            _ => verdict,
        }
    }

    fn form_fits(&self, gold: &Scalar, answer: &Scalar) -> bool {
        match self.profile.form {
            FormRule::Any => true,
            FormRule::Reduced => match gold.form {
                Form::Integer => answer.form == Form::Integer,
                _ => answer.form != Form::Unreduced,
            },
        }
    }

    fn amounts(&self, gold: &Scalar, answer: &Scalar) -> Verdict {
        if gold.percent != answer.percent {
            return self.percent(gold, answer);
        }
        let (a, b) = (&gold.value, &answer.value);
        match (&gold.unit, &answer.unit) {
            (None, None) => {
                let verdict = self.numbers(gold, answer);
                if gold.percent && verdict.is_decided() {
                    return decided(verdict.is_equal(), Path::Percent);
                }
                verdict
            }
            (Some(x), Some(y)) => self.with_units((gold, x), (answer, y)),
            (Some(unit), None) | (None, Some(unit)) => {
                let verdict = self.numbers(gold, answer);
                if verdict.is_equal() {
                    return Verdict::Equal(Path::UnitDropped);
                }
                if unit.is_angle() && self.radians(a, b, gold.unit.is_some()) {
                    return Verdict::Equal(Path::Unit);
                }
                verdict
            }
        }
    }

    /// Whether an angle in degrees equals a bare number of radians.
    fn radians(&self, a: &Fraction, b: &Fraction, first_in_degrees: bool) -> bool {
        let (degrees, radians) = if first_in_degrees { (a, b) } else { (b, a) };
        let turn = Rational::small_ratio(1, 180).map(Fraction::Rational);
        let angle = turn.and_then(|turn| {
            degrees.mul(&turn, &self.fuel).ok()?.mul(&Fraction::of(Gen::Pi), &self.fuel).ok()
        });
        angle.is_some_and(|angle| self.fractions(&angle, radians).is_equal())
    }

    fn percent(&self, gold: &Scalar, answer: &Scalar) -> Verdict {
        let hundredth = |value: &Fraction| {
            let by = Rational::small_ratio(1, 100).ok_or(Stop::Undefined)?;
            value.mul(&Fraction::Rational(by), &self.fuel)
        };
        let as_number = || self.numbers(gold, answer);
        let as_fraction = || {
            let mut pair = [gold.clone(), answer.clone()];
            for scalar in &mut pair {
                if scalar.percent {
                    match hundredth(&scalar.value) {
                        Ok(value) => scalar.value = value,
                        Err(stop) => return stopped(stop),
                    }
                }
            }
            self.numbers(&pair[0], &pair[1])
        };
        match self.profile.percent {
            PercentRule::Distinct => Verdict::NotEqual(Path::Kind),
            PercentRule::Fraction => as_fraction(),
            PercentRule::Number => as_number(),
            PercentRule::Either => {
                let verdict = as_number();
                if verdict.is_equal() { verdict } else { as_fraction() }
            }
        }
    }

    fn with_units(&self, (gold, x): (&Scalar, &Unit), (answer, y): (&Scalar, &Unit)) -> Verdict {
        let numbers = || self.numbers(gold, answer);
        match (x, y) {
            (
                Unit::Measure { dimensions, factor },
                Unit::Measure { dimensions: others, factor: by },
            ) => {
                if dimensions != others {
                    return Verdict::NotEqual(Path::Unit);
                }
                if factor == by {
                    let verdict = numbers();
                    return if verdict.is_equal() { Verdict::Equal(Path::Unit) } else { verdict };
                }
                let scaled = |value: &Fraction, by: &Rational| {
                    value.mul(&Fraction::Rational(by.clone()), &self.fuel)
                };
                match (scaled(&gold.value, factor), scaled(&answer.value, by)) {
                    (Ok(a), Ok(b)) => match self.fractions(&a, &b) {
                        Verdict::Unknown(reason) => Verdict::Unknown(reason),
                        verdict => decided(verdict.is_equal(), Path::Unit),
                    },
                    (Err(stop), _) | (_, Err(stop)) => stopped(stop),
                }
            }
            (Unit::Words(a), Unit::Words(b)) => {
                let verdict = numbers();
                let related =
                    a.iter().all(|word| b.contains(word)) || b.iter().all(|word| a.contains(word));
                match verdict {
                    Verdict::Equal(_) if related => Verdict::Equal(Path::Unit),
                    Verdict::Equal(_) => Verdict::Unknown(Reason::Words),
                    verdict => verdict,
                }
            }
            _ => match numbers() {
                Verdict::Equal(_) => Verdict::Unknown(Reason::Words),
                verdict => verdict,
            },
        }
    }

    fn numbers(&self, gold: &Scalar, answer: &Scalar) -> Verdict {
        let verdict = self.fractions(&gold.value, &answer.value);
        if verdict.is_equal() {
            return verdict;
        }
        self.by_decimals(gold, answer).unwrap_or(verdict)
    }
}
