//! Exact numbers and expressions: normal forms first, then certified bounds.

use std::sync::Arc;

use crate::ball::{Evaluator, Point, separation_bits};
use crate::canon::{is_constant, substitute};
use crate::equal::{Compare, decided, stopped};
use crate::exact::{Fraction, Gen, Kernel, Poly, Rational};
use crate::fuel::Stop;
use crate::{Path, Reason, Verdict};

/// Precision of the first evaluation, and the most bits that a root separation may need.
const BITS: u64 = 128;
const MAX_SEPARATION: u64 = 6_000;

impl Compare<'_> {
    /// Exact normal forms first, then certified bounds.
    pub(super) fn fractions(&self, gold: &Fraction, answer: &Fraction) -> Verdict {
        if let (Some(a), Some(b)) = (gold.rational(), answer.rational()) {
            return decided(a == b, Path::Rational);
        }
        let renamed = if self.profile.rename_symbols { self.renamed(gold, answer) } else { None };
        let answer = renamed.as_ref().unwrap_or(answer);
        match gold.equals(answer, &self.fuel) {
            Ok(true) => Verdict::Equal(Path::Exact),
            Ok(false) if independent(gold, answer) => Verdict::NotEqual(Path::Exact),
            Ok(false) => self.numerically(gold, answer),
            Err(stop) => match self.numerically(gold, answer) {
                verdict @ Verdict::NotEqual(_) => verdict,
                _ => stopped(stop),
            },
        }
    }

    fn numerically(&self, gold: &Fraction, answer: &Fraction) -> Verdict {
        let names = names([gold, answer]);
        if !names.is_empty() {
            let apart = (0..4)
                .any(|trial| self.apart(gold, answer, &point(&names, trial), BITS) == Ok(true));
            return if apart {
                Verdict::NotEqual(Path::Numeric)
            } else {
                Verdict::Unknown(Reason::Undecided)
            };
        }
        let point = Point::default();
        match self.apart(gold, answer, &point, BITS) {
            Ok(true) => return Verdict::NotEqual(Path::Numeric),
            Ok(false) => {}
            Err(stop) => return stopped(stop),
        }
        match self.separated(gold, answer) {
            Ok(Some(verdict)) => verdict,
            Ok(None) => match self.apart(gold, answer, &point, 4 * BITS) {
                Ok(true) => Verdict::NotEqual(Path::Numeric),
                _ => Verdict::Unknown(Reason::Undecided),
            },
            Err(stop) => stopped(stop),
        }
    }

    /// Whether the values at a point certainly differ.
    fn apart(
        &self,
        gold: &Fraction,
        answer: &Fraction,
        point: &Point,
        bits: u64,
    ) -> Result<bool, Stop> {
        let evaluator = Evaluator { bits, point, fuel: &self.fuel };
        let a = evaluator.fraction(gold)?;
        let b = evaluator.fraction(answer)?;
        Ok(!a.sub(&b, bits, &self.fuel)?.contains_zero())
    }

    /// Decides two algebraic numbers by how close different ones can be.
    fn separated(&self, gold: &Fraction, answer: &Fraction) -> Result<Option<Verdict>, Stop> {
        let fuel = &self.fuel;
        let left = gold.numerator().mul(&answer.denominator(), fuel)?;
        let difference = left.sub(&answer.numerator().mul(&gold.denominator(), fuel)?, fuel)?;
        // Generators in a denominator are not zero, so that both may be multiplied by them.
        let mut common = difference.common_monomial();
        common.0.retain(|(_, exponent)| exponent.n < 0);
        let difference = difference.divide_monomial(&common)?;
        let Some(needed) = separation_bits(&difference).filter(|bits| *bits <= MAX_SEPARATION)
        else {
            return Ok(None);
        };
        let point = Point::default();
        let evaluator = Evaluator { bits: needed + 64, point: &point, fuel };
        let value = evaluator.poly(&difference)?;
        if !value.contains_zero() {
            return Ok(Some(Verdict::NotEqual(Path::Separation)));
        }
        let bound = i64::try_from(needed).map_err(|_| Stop::TooBig)?;
        let below = value.re.log2_bound() < -bound - 1 && value.im.log2_bound() < -bound - 1;
        let below = below || (value.re.log2_bound() < -bound - 1 && value.is_real());
        Ok(below.then_some(Verdict::Equal(Path::Separation)))
    }

    /// The answer with its symbols renamed to those of the gold, by alphabetical position.
    fn renamed(&self, gold: &Fraction, answer: &Fraction) -> Option<Fraction> {
        let (from, to) = (names([answer]), names([gold]));
        if from.len() != to.len() || from == to {
            return None;
        }
        let mut result = answer.clone();
        let marks: Vec<Gen> = (0..from.len()).map(|k| Gen::Var(format!("#{k}").into())).collect();
        for (name, mark) in from.iter().zip(&marks) {
            let image = Fraction::of(mark.clone());
            result = rename(&result, &Gen::Var(name.clone()), &image, &self.fuel)?;
        }
        for (name, mark) in to.iter().zip(&marks) {
            result = rename(&result, mark, &Fraction::of(Gen::Var(name.clone())), &self.fuel)?;
        }
        Some(result)
    }
}

/// Substitution that also reaches the arguments of unknown functions.
pub(super) fn rename(
    value: &Fraction,
    from: &Gen,
    image: &Fraction,
    fuel: &crate::fuel::Fuel,
) -> Option<Fraction> {
    let calls: Vec<Gen> = value
        .generators()
        .filter(|(g, _)| matches!(g, Gen::Kernel(kernel) if matches!(&**kernel, Kernel::Call(..))))
        .map(|(g, _)| g.clone())
        .collect();
    let mut result = value.clone();
    for call in calls {
        let Gen::Kernel(kernel) = &call else { continue };
        let Kernel::Call(name, arguments) = &**kernel else { continue };
        let arguments =
            arguments.iter().map(|a| rename(a, from, image, fuel)).collect::<Option<Vec<_>>>()?;
        let image = Fraction::of(Gen::kernel(Kernel::Call(name.clone(), arguments)));
        if image != Fraction::of(call.clone()) {
            result = substitute(&result, &call, &image, fuel).ok()?;
        }
    }
    substitute(&result, from, image, fuel).ok()
}

/// Whether different normal forms over these generators are different values: radicals of primes,
/// `i`, symbols, one of pi and e, and exponentials of terms with symbols.
fn independent(a: &Fraction, b: &Fraction) -> bool {
    let (mut pi, mut e) = (false, false);
    for (generator, _) in a.generators().chain(b.generators()) {
        match generator {
            Gen::Prime(_) | Gen::I | Gen::Var(_) => {}
            Gen::Pi => pi = true,
            Gen::Kernel(kernel) => match &**kernel {
                Kernel::Exp(argument) if argument.is_one() => e = true,
                Kernel::Exp(argument) => {
                    let plain = argument.0.iter().all(|(g, _)| !matches!(g, Gen::Kernel(_)));
                    if !plain || !argument.0.iter().any(|(g, _)| matches!(g, Gen::Var(_))) {
                        return false;
                    }
                }
                _ => return false,
            },
        }
    }
    !(pi && e)
}

/// The free symbols, sorted.
fn names<'a>(values: impl IntoIterator<Item = &'a Fraction>) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for value in values {
        collect(value, &mut names);
    }
    names.sort();
    names.dedup();
    names
}

fn collect(value: &Fraction, names: &mut Vec<Arc<str>>) {
    if is_constant(value) {
        return;
    }
    for (generator, _) in value.generators() {
        collect_generator(generator, names);
    }
}

fn collect_generator(generator: &Gen, names: &mut Vec<Arc<str>>) {
    let poly = |poly: &Poly, names: &mut Vec<Arc<str>>| {
        poly.generators().for_each(|(g, _)| collect_generator(g, names));
    };
    match generator {
        Gen::Var(name) => names.push(name.clone()),
        Gen::Kernel(kernel) => match &**kernel {
            Kernel::Root(_, inside) | Kernel::Ln(inside) | Kernel::Abs(inside) => {
                poly(inside, names)
            }
            Kernel::Exp(argument) => {
                argument.0.iter().for_each(|(g, _)| collect_generator(g, names))
            }
            Kernel::CosPi(_) => {}
            Kernel::Call(_, arguments) => arguments.iter().for_each(|a| collect(a, names)),
        },
        Gen::Prime(_) | Gen::I | Gen::Pi => {}
    }
}

/// A point in no special position: small, below one, negative and large values.
fn point(names: &[Arc<str>], trial: i64) -> Point {
    let value = |k: i64| match trial {
        0 => Rational::small_ratio(17 + 6 * k, 13),
        1 => Rational::small_ratio(5 + 3 * k, 29 + 4 * k),
        2 => Rational::small_ratio(-(7 + 4 * k), 11),
        _ => Rational::small_ratio(101 + 31 * k, 7),
    };
    let values =
        names.iter().zip(0..).map(|(name, k)| (name.clone(), value(k).unwrap_or(Rational::ONE)));
    Point { values: values.collect() }
}
