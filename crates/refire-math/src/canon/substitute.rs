//! Puts a value in the place of a generator.

use crate::canon::Exact;
use crate::exact::{Fraction, Gen, Kernel, Monomial, Poly, Rational};
use crate::fuel::{Fuel, Stop};

/// `value` with `generator` replaced by `image`, also inside absolute values and roots.
pub(crate) fn substitute(
    value: &Fraction,
    generator: &Gen,
    image: &Fraction,
    fuel: &Fuel,
) -> Exact {
    match value {
        Fraction::Rational(_) => Ok(value.clone()),
        Fraction::Quotient(parts) => {
            let numerator = poly(&parts.0, generator, image, fuel)?;
            if parts.1.is_one() {
                return Ok(numerator);
            }
            numerator.div(&poly(&parts.1, generator, image, fuel)?, fuel)
        }
    }
}

fn poly(poly: &Poly, from: &Gen, image: &Fraction, fuel: &Fuel) -> Exact {
    let mut sum = Fraction::ZERO;
    for (monomial, coefficient) in poly.terms() {
        let mut term = Fraction::Rational(coefficient.clone());
        for (generator, exponent) in &monomial.0 {
            let base = match generator {
                _ if generator == from => image.clone(),
                Gen::Kernel(kernel) => inside(kernel, generator, from, image, fuel)?,
                _ => Fraction::of(generator.clone()),
            };
            let power = if exponent.d == 1 {
                base.powi(exponent.n, fuel)?
            } else if base == Fraction::of(generator.clone()) {
                let same = Monomial(vec![(generator.clone(), *exponent)]);
                Fraction::from_poly(Poly::from_monomial(same, &Rational::ONE, fuel)?)
            } else {
                super::root_of(&base, exponent.n, exponent.d, fuel)?
            };
            term = term.mul(&power, fuel)?;
        }
        sum = sum.add(&term, fuel)?;
    }
    Ok(sum)
}

fn inside(kernel: &Kernel, whole: &Gen, from: &Gen, image: &Fraction, fuel: &Fuel) -> Exact {
    fuel.spend(10)?;
    match kernel {
        Kernel::Abs(argument) => {
            super::algebra::absolute(&poly(argument, from, image, fuel)?, fuel)
        }
        Kernel::Root(degree, argument) => {
            super::root_of(&poly(argument, from, image, fuel)?, 1, i64::from(*degree), fuel)
        }
        _ if super::generator_is_constant(whole) => Ok(Fraction::of(whole.clone())),
        Kernel::Call(_, arguments) if arguments.iter().all(|a| !mentions(a, from)) => {
            Ok(Fraction::of(whole.clone()))
        }
        _ => Err(Stop::Unsupported),
    }
}

fn mentions(value: &Fraction, generator: &Gen) -> bool {
    value.generators().any(|(g, _)| g == generator)
}
