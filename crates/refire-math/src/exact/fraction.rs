use crate::exact::{Exponent, Gen, Kernel, Monomial, Poly, Rational};
use crate::fuel::{Fuel, Stop};

/// A quotient of polynomials. A plain rational is always [`Fraction::Rational`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fraction {
    Rational(Rational),
    /// Numerator and denominator; the denominator is 1 wherever that could be reached.
    Quotient(Box<(Poly, Poly)>),
}

use Fraction::{Quotient, Rational as Plain};

/// Most square roots that are multiplied out of a denominator.
const MAX_CONJUGATES: usize = 6;

impl Fraction {
    pub(crate) const ZERO: Self = Plain(Rational::ZERO);
    pub(crate) const ONE: Self = Plain(Rational::ONE);

    pub(crate) fn integer(value: i64) -> Self {
        Plain(Rational::from_i64(value))
    }

    pub(crate) fn of(generator: Gen) -> Self {
        Self::from_poly(Poly::of(generator))
    }

    pub(crate) fn from_poly(poly: Poly) -> Self {
        match poly.as_constant() {
            Some(value) => Plain(value),
            None => Quotient(Box::new((poly, Poly::one()))),
        }
    }

    pub(crate) fn rational(&self) -> Option<&Rational> {
        match self {
            Plain(value) => Some(value),
            Quotient(_) => None,
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.rational().is_some_and(Rational::is_zero)
    }

    pub(crate) fn is_one(&self) -> bool {
        self.rational().is_some_and(Rational::is_one)
    }

    pub(crate) fn numerator(&self) -> Poly {
        match self {
            Plain(value) => Poly::constant(value.clone()),
            Quotient(parts) => parts.0.clone(),
        }
    }

    pub(crate) fn denominator(&self) -> Poly {
        match self {
            Plain(_) => Poly::one(),
            Quotient(parts) => parts.1.clone(),
        }
    }

    /// The polynomial, if nothing is divided by.
    pub(crate) fn as_poly(&self) -> Option<Poly> {
        match self {
            Plain(value) => Some(Poly::constant(value.clone())),
            Quotient(parts) => parts.1.is_one().then(|| parts.0.clone()),
        }
    }

    pub(crate) fn neg(&self) -> Self {
        match self {
            Plain(value) => Plain(value.neg()),
            Quotient(parts) => Quotient(Box::new((parts.0.neg(), parts.1.clone()))),
        }
    }

    pub(crate) fn add(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        match (self, other) {
            (Plain(a), Plain(b)) => Ok(Plain(a.add(b, fuel)?)),
            (Plain(a), _) if a.is_zero() => Ok(other.clone()),
            (_, Plain(b)) if b.is_zero() => Ok(self.clone()),
            _ => {
                let (a, b) = (self.numerator(), self.denominator());
                let (c, d) = (other.numerator(), other.denominator());
                if b == d {
                    return Self::normal(a.add(&c, fuel)?, b, fuel);
                }
                let numerator = a.mul(&d, fuel)?.add(&c.mul(&b, fuel)?, fuel)?;
                Self::normal(numerator, b.mul(&d, fuel)?, fuel)
            }
        }
    }

    pub(crate) fn sub(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        self.add(&other.neg(), fuel)
    }

    pub(crate) fn mul(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        match (self, other) {
            (Plain(a), Plain(b)) => Ok(Plain(a.mul(b, fuel)?)),
            (Plain(a), _) if a.is_one() => Ok(other.clone()),
            (_, Plain(b)) if b.is_one() => Ok(self.clone()),
            _ => {
                let numerator = self.numerator().mul(&other.numerator(), fuel)?;
                let denominator = self.denominator().mul(&other.denominator(), fuel)?;
                Self::normal(numerator, denominator, fuel)
            }
        }
    }

    pub(crate) fn recip(&self, fuel: &Fuel) -> Result<Self, Stop> {
        match self {
            Plain(value) => Ok(Plain(value.recip()?)),
            Quotient(parts) => Self::normal(parts.1.clone(), parts.0.clone(), fuel),
        }
    }

    pub(crate) fn div(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        if let (Plain(a), Plain(b)) = (self, other) {
            return Ok(Plain(a.div(b, fuel)?));
        }
        self.mul(&other.recip(fuel)?, fuel)
    }

    pub(crate) fn powi(&self, exponent: i64, fuel: &Fuel) -> Result<Self, Stop> {
        if let Plain(value) = self {
            return Ok(Plain(value.pow(exponent, fuel)?));
        }
        let base = if exponent < 0 { self.recip(fuel)? } else { self.clone() };
        let size = exponent.checked_abs().ok_or(Stop::TooBig)?;
        let numerator = base.numerator().pow(size, fuel)?;
        Self::normal(numerator, base.denominator().pow(size, fuel)?, fuel)
    }

    /// Whether both are the same: cross-multiplied, so that uncancelled factors don't matter.
    pub(crate) fn equals(&self, other: &Self, fuel: &Fuel) -> Result<bool, Stop> {
        if self == other {
            return Ok(true);
        }
        if let (Plain(_), Plain(_)) = (self, other) {
            return Ok(false);
        }
        let left = self.numerator().mul(&other.denominator(), fuel)?;
        let right = other.numerator().mul(&self.denominator(), fuel)?;
        Ok(left == right)
    }

    /// Every generator of both parts, possibly more than once.
    pub(crate) fn generators(&self) -> impl Iterator<Item = &(Gen, Exponent)> {
        let parts = match self {
            Plain(_) => None,
            Quotient(parts) => Some(parts),
        };
        parts.into_iter().flat_map(|parts| parts.0.generators().chain(parts.1.generators()))
    }

    fn normal(numerator: Poly, denominator: Poly, fuel: &Fuel) -> Result<Self, Stop> {
        if denominator.is_zero() {
            return Err(Stop::Undefined);
        }
        if numerator.is_zero() {
            return Ok(Self::ZERO);
        }
        if denominator.is_one() {
            return Ok(Self::from_poly(numerator));
        }
        let (mut numerator, mut denominator) = strip_monomial(numerator, denominator, fuel)?;
        for _ in 0..MAX_CONJUGATES {
            let Some(conjugate) = conjugate(&denominator) else { break };
            numerator = numerator.mul(&conjugate, fuel)?;
            denominator = denominator.mul(&conjugate, fuel)?;
            if denominator.is_zero() {
                return Err(Stop::Undefined);
            }
        }
        let content = denominator.content(fuel)?.recip()?;
        numerator = numerator.scale(&content, fuel)?;
        denominator = denominator.scale(&content, fuel)?;
        if denominator.is_one() {
            return Ok(Self::from_poly(numerator));
        }
        if let Some(quotient) = divide_exactly(&numerator, &denominator, fuel)? {
            return Ok(Self::from_poly(quotient));
        }
        Ok(Quotient(Box::new((numerator, denominator))))
    }
}

/// Moves what divides every term of the denominator to the numerator.
fn strip_monomial(
    mut numerator: Poly,
    mut denominator: Poly,
    fuel: &Fuel,
) -> Result<(Poly, Poly), Stop> {
    for _ in 0..4 {
        let common = denominator.common_monomial();
        if common.is_one() {
            break;
        }
        // A root moves up as `1 / k = k^(n-1) / k^n`, so that no negative power of it arises.
        let mut inverse = Monomial::one();
        for (generator, exponent) in &common.0 {
            let lift = match generator {
                Gen::Kernel(kernel) => match &**kernel {
                    Kernel::Root(degree, _) => Exponent::integer(i64::from(*degree) - exponent.n),
                    Kernel::Abs(_) if exponent.n == 1 => Exponent::ONE,
                    _ => exponent.neg(),
                },
                _ => exponent.neg(),
            };
            inverse = inverse.merge(&Monomial(vec![(generator.clone(), lift)]))?;
        }
        let factor = Poly::from_monomial(inverse, &Rational::ONE, fuel)?;
        numerator = numerator.mul(&factor, fuel)?;
        denominator = denominator.mul(&factor, fuel)?;
    }
    Ok((numerator, denominator))
}

/// The denominator with the sign of one square root changed, if it is made of square roots and i.
fn conjugate(denominator: &Poly) -> Option<Poly> {
    let mut first: Option<&Gen> = None;
    for (generator, exponent) in denominator.generators() {
        let square = match generator {
            Gen::I => exponent.d == 1,
            Gen::Prime(_) => exponent.d == 2,
            _ => false,
        };
        if !square {
            return None;
        }
        first = first.filter(|f| *f <= generator).or(Some(generator));
    }
    let generator = first?;
    let mut flipped = Poly::zero();
    for (monomial, coefficient) in denominator.terms() {
        let odd = monomial.0.iter().any(|(g, _)| g == generator);
        let coefficient = if odd { coefficient.neg() } else { coefficient.clone() };
        flipped = merge(flipped, monomial, coefficient);
    }
    Some(flipped)
}

fn merge(mut poly: Poly, monomial: &Monomial, coefficient: Rational) -> Poly {
    // The monomials are distinct, so nothing is added up and nothing can run out.
    let fuel = Fuel::new(u64::MAX);
    let _ = poly.add_term(monomial.clone(), &coefficient, &fuel);
    poly
}

/// The quotient of ordinary polynomials, if the division leaves no rest.
fn divide_exactly(numerator: &Poly, denominator: &Poly, fuel: &Fuel) -> Result<Option<Poly>, Stop> {
    let ordinary =
        |p: &Poly| p.generators().all(|(g, e)| matches!(g, Gen::Var(_)) && e.d == 1 && e.n > 0);
    if !ordinary(denominator) || !ordinary(numerator) || numerator.len() > 64 {
        return Ok(None);
    }
    let Some((divisor, lead)) = top(denominator) else { return Ok(None) };
    let (mut rest, mut quotient) = (numerator.clone(), Poly::zero());
    for _ in 0..64 {
        let Some((monomial, coefficient)) = top(&rest) else { return Ok(Some(quotient)) };
        let ratio = monomial.merge(&divisor.scale(Exponent::integer(-1))?)?;
        if ratio.0.iter().any(|(_, exponent)| exponent.n < 0) {
            return Ok(None);
        }
        let term = Poly::term(coefficient.div(lead, fuel)?, ratio);
        rest = rest.sub(&denominator.mul(&term, fuel)?, fuel)?;
        quotient = quotient.add(&term, fuel)?;
    }
    Ok(None)
}

/// The leading term in graded order, which multiplication respects.
fn top(poly: &Poly) -> Option<(&Monomial, &Rational)> {
    let degree = |m: &Monomial| m.0.iter().map(|(_, e)| e.n).sum::<i64>();
    poly.terms().max_by(|(a, _), (b, _)| degree(a).cmp(&degree(b)).then_with(|| lex(a, b)))
}

/// Lexicographic order of exponent vectors, generators in ascending order.
fn lex(a: &Monomial, b: &Monomial) -> std::cmp::Ordering {
    for ((g, x), (h, y)) in a.0.iter().zip(&b.0) {
        let order = h.cmp(g).then(x.n.cmp(&y.n));
        if order.is_ne() {
            return order;
        }
    }
    a.0.len().cmp(&b.0.len())
}
