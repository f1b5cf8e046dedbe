//! Inequalities in one unknown, as regions of the real line.

use std::cmp::Ordering;

use num_bigint::Sign;

use crate::canon::{generator_is_constant, root_of, sign, substitute};
use crate::exact::{Exponent, Fraction, Gen, Kernel, Monomial, Poly, Rational};
use crate::fuel::{Fuel, Stop};
use crate::syntax::RelOp;
use crate::value::{Bound, Piece, Region, Relation};

/// Largest degree that is solved.
const MAX_DEGREE: usize = 8;

/// The only thing in the expressions that is not constant, if there is exactly one.
pub(crate) fn unknown<'a>(values: impl Iterator<Item = &'a Fraction>) -> Option<Gen> {
    let mut found: Option<Gen> = None;
    for value in values {
        for (generator, _) in value.generators() {
            let inner = match generator {
                Gen::Kernel(kernel) => match &**kernel {
                    Kernel::Abs(inside) => {
                        let variables =
                            inside.generators().filter(|(g, _)| !generator_is_constant(g));
                        variables.map(|(g, _)| g.clone()).collect()
                    }
                    _ => vec![generator.clone()],
                },
                _ => vec![generator.clone()],
            };
            for generator in inner {
                if generator_is_constant(&generator) {
                    continue;
                }
                if found.as_ref().is_some_and(|known| *known != generator) {
                    return None;
                }
                found = Some(generator);
            }
        }
    }
    found
}

/// Where the relations of a chain hold.
pub(crate) fn solve(relation: &Relation, unknown: &Gen, fuel: &Fuel) -> Result<Region, Stop> {
    let mut region = Region::reals();
    for (pair, op) in relation.operands.windows(2).zip(&relation.ops) {
        let (Some(left), Some(right)) = (pair[0].as_number(), pair[1].as_number()) else {
            return Err(Stop::Unsupported);
        };
        let difference = left.sub(right, fuel)?;
        region = region.intersection(&link(&difference, *op, unknown, fuel)?, fuel)?;
    }
    Ok(region)
}

/// Where `difference op 0`: the line is cut at every zero and every pole, and the sign is tried in
/// between and at the cuts.
fn link(difference: &Fraction, op: RelOp, unknown: &Gen, fuel: &Fuel) -> Result<Region, Stop> {
    let holds = |sign: Sign| match op {
        RelOp::Eq => sign == Sign::NoSign,
        RelOp::Ne => sign != Sign::NoSign,
        RelOp::Lt => sign == Sign::Minus,
        RelOp::Le => sign != Sign::Plus,
        RelOp::Gt => sign == Sign::Plus,
        RelOp::Ge => sign != Sign::Minus,
        _ => false,
    };
    if !matches!(op, RelOp::Eq | RelOp::Ne) && !op.is_order() {
        return Err(Stop::Unsupported);
    }
    let mut cuts: Vec<Fraction> = Vec::new();
    for poly in [difference.numerator(), difference.denominator()] {
        for branch in branches(&poly, fuel)? {
            for root in roots(&branch, unknown, fuel)? {
                insert(&mut cuts, root, fuel)?;
            }
        }
    }
    let at = |value: &Fraction| -> Result<Option<Sign>, Stop> {
        match substitute(difference, unknown, value, fuel) {
            Ok(image) => sign(&image, fuel).ok_or(Stop::Unsupported).map(Some),
            Err(Stop::Undefined) => Ok(None),
            Err(stop) => Err(stop),
        }
    };
    let mut pieces = Vec::new();
    let one = Fraction::ONE;
    for index in 0..=cuts.len() {
        let (low, high) = (index.checked_sub(1).map(|i| &cuts[i]), cuts.get(index));
        let sample = match (low, high) {
            (None, None) => Fraction::ZERO,
            (None, Some(high)) => high.sub(&one, fuel)?,
            (Some(low), None) => low.add(&one, fuel)?,
            (Some(low), Some(high)) => low.add(high, fuel)?.div(&Fraction::integer(2), fuel)?,
        };
        if at(&sample)?.is_some_and(holds) {
            pieces.push(Piece {
                low: low.map_or(Bound::MinusInfinity, |v| Bound::At(v.clone())),
                low_closed: false,
                high: high.map_or(Bound::PlusInfinity, |v| Bound::At(v.clone())),
                high_closed: false,
            });
        }
    }
    for cut in &cuts {
        if at(cut)?.is_some_and(holds) {
            pieces.push(Piece::point(cut.clone()));
        }
    }
    Region::new(pieces, fuel)
}

fn insert(cuts: &mut Vec<Fraction>, root: Fraction, fuel: &Fuel) -> Result<(), Stop> {
    let bound = Bound::At(root);
    for at in 0..cuts.len() {
        match bound.order(&Bound::At(cuts[at].clone()), fuel)? {
            Ordering::Less => {
                if let Bound::At(root) = bound {
                    cuts.insert(at, root);
                }
                return Ok(());
            }
            Ordering::Equal => return Ok(()),
            Ordering::Greater => {}
        }
    }
    if let Bound::At(root) = bound {
        cuts.push(root);
    }
    Ok(())
}

/// The polynomial with each absolute value replaced by both of its signs, and the insides.
fn branches(poly: &Poly, fuel: &Fuel) -> Result<Vec<Poly>, Stop> {
    let absolute = poly.generators().find_map(|(generator, _)| match generator {
        Gen::Kernel(kernel) => match &**kernel {
            Kernel::Abs(inside) => Some((generator.clone(), inside.clone())),
            _ => None,
        },
        _ => None,
    });
    let Some((generator, inside)) = absolute else { return Ok(vec![poly.clone()]) };
    fuel.spend(50)?;
    let mut all = branches(&inside, fuel)?;
    for sign in [1, -1] {
        let image = Fraction::from_poly(inside.scale(&Rational::from_i64(sign), fuel)?);
        let replaced = substitute(&Fraction::from_poly(poly.clone()), &generator, &image, fuel)?;
        all.extend(branches(&replaced.numerator(), fuel)?);
    }
    Ok(all)
}

/// The real roots of a polynomial in the unknown.
fn roots(poly: &Poly, unknown: &Gen, fuel: &Fuel) -> Result<Vec<Fraction>, Stop> {
    let mut coefficients = coefficients(poly, unknown, fuel)?;
    let mut found = Vec::new();
    loop {
        while coefficients.last().is_some_and(Fraction::is_zero) {
            coefficients.pop();
        }
        if coefficients.len() > 1 && coefficients[0].is_zero() {
            found.push(Fraction::ZERO);
            coefficients.remove(0);
            continue;
        }
        if coefficients.len() <= 3 {
            break;
        }
        let Some(root) = rational_root(&coefficients, fuel)? else {
            return pure_power(&coefficients, found, fuel);
        };
        coefficients = deflate(&coefficients, &root, fuel)?;
        found.push(root);
    }
    match coefficients.as_slice() {
        [b, a] => found.push(b.neg().div(a, fuel)?),
        [c, b, a] => {
            let four = Fraction::integer(4);
            let square = b.mul(b, fuel)?.sub(&a.mul(c, fuel)?.mul(&four, fuel)?, fuel)?;
            if sign(&square, fuel).ok_or(Stop::Unsupported)? != Sign::Minus {
                let root = root_of(&square, 1, 2, fuel)?;
                let twice = a.mul(&Fraction::integer(2), fuel)?;
                for root in [root.clone(), root.neg()] {
                    found.push(root.sub(b, fuel)?.div(&twice, fuel)?);
                }
            }
        }
        _ => {}
    }
    Ok(found)
}

/// `a x^n + c`, whose roots are radicals.
fn pure_power(
    coefficients: &[Fraction],
    mut found: Vec<Fraction>,
    fuel: &Fuel,
) -> Result<Vec<Fraction>, Stop> {
    let degree = coefficients.len() - 1;
    if coefficients[1..degree].iter().any(|c| !c.is_zero()) {
        return Err(Stop::Unsupported);
    }
    let power = coefficients[0].neg().div(&coefficients[degree], fuel)?;
    let sign = sign(&power, fuel).ok_or(Stop::Unsupported)?;
    let n = i64::try_from(degree).map_err(|_| Stop::TooBig)?;
    if n % 2 == 1 {
        found.push(root_of(&power, 1, n, fuel)?);
    } else if sign != Sign::Minus {
        let root = root_of(&power, 1, n, fuel)?;
        found.extend([root.neg(), root]);
    }
    Ok(found)
}

/// Coefficients by ascending power of the unknown.
fn coefficients(poly: &Poly, unknown: &Gen, fuel: &Fuel) -> Result<Vec<Fraction>, Stop> {
    let mut result = vec![Fraction::ZERO];
    for (monomial, coefficient) in poly.terms() {
        let mut power = 0;
        let mut rest = Vec::new();
        for (generator, exponent) in &monomial.0 {
            if generator == unknown {
                if *exponent != Exponent::integer(exponent.n) {
                    return Err(Stop::Unsupported);
                }
                power = usize::try_from(exponent.n).map_err(|_| Stop::Unsupported)?;
            } else if generator_is_constant(generator) {
                rest.push((generator.clone(), *exponent));
            } else {
                return Err(Stop::Unsupported);
            }
        }
        if power > MAX_DEGREE {
            return Err(Stop::Unsupported);
        }
        if result.len() <= power {
            result.resize(power + 1, Fraction::ZERO);
        }
        let term = Fraction::from_poly(Poly::term(coefficient.clone(), Monomial(rest)));
        result[power] = result[power].add(&term, fuel)?;
    }
    Ok(result)
}

/// A rational root of a polynomial with rational coefficients, found among small candidates.
fn rational_root(coefficients: &[Fraction], fuel: &Fuel) -> Result<Option<Fraction>, Stop> {
    const LARGEST: i64 = 60;
    if coefficients.iter().any(|c| c.rational().is_none()) {
        return Ok(None);
    }
    for d in 1..=6 {
        for n in 1..=LARGEST {
            for n in [n, -n] {
                let Some(candidate) = Rational::small_ratio(n, d) else { continue };
                let candidate = Fraction::Rational(candidate);
                let mut value = Fraction::ZERO;
                for coefficient in coefficients.iter().rev() {
                    value = value.mul(&candidate, fuel)?.add(coefficient, fuel)?;
                }
                if value.is_zero() {
                    return Ok(Some(candidate));
                }
            }
        }
    }
    Ok(None)
}

fn deflate(coefficients: &[Fraction], root: &Fraction, fuel: &Fuel) -> Result<Vec<Fraction>, Stop> {
    let mut quotient = Vec::with_capacity(coefficients.len() - 1);
    let mut carry = Fraction::ZERO;
    for coefficient in coefficients.iter().skip(1).rev() {
        carry = carry.mul(root, fuel)?.add(coefficient, fuel)?;
        quotient.push(carry.clone());
    }
    quotient.reverse();
    Ok(quotient)
}
