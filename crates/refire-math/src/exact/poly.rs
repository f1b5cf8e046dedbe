use std::collections::BTreeMap;

use crate::exact::{Exponent, Gen, Monomial, Rational};
use crate::fuel::{Fuel, Stop};

/// A sparse polynomial with rational coefficients; no coefficient is zero. Exponents of symbols
/// may be negative or fractional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Poly {
    terms: BTreeMap<Monomial, Rational>,
}

/// Most terms of any polynomial.
const MAX_TERMS: usize = 2_000;

impl Poly {
    pub(crate) fn zero() -> Self {
        Self::default()
    }

    pub(crate) fn one() -> Self {
        Self::constant(Rational::ONE)
    }

    pub(crate) fn constant(value: Rational) -> Self {
        Self::term(value, Monomial::one())
    }

    pub(crate) fn term(coefficient: Rational, monomial: Monomial) -> Self {
        let mut terms = BTreeMap::new();
        if !coefficient.is_zero() {
            terms.insert(monomial, coefficient);
        }
        Self { terms }
    }

    pub(crate) fn of(generator: Gen) -> Self {
        Self::term(Rational::ONE, Monomial::of(generator))
    }

    pub(crate) fn terms(&self) -> impl Iterator<Item = (&Monomial, &Rational)> {
        self.terms.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.terms.len()
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.terms.is_empty()
    }

    pub(crate) fn is_one(&self) -> bool {
        self.as_constant().is_some_and(|value| value.is_one())
    }

    /// The only term, if there is exactly one.
    pub(crate) fn as_term(&self) -> Option<(&Monomial, &Rational)> {
        if self.terms.len() == 1 { self.terms.first_key_value() } else { None }
    }

    /// The value, if it is a plain rational.
    pub(crate) fn as_constant(&self) -> Option<Rational> {
        match self.terms.first_key_value() {
            None => Some(Rational::ZERO),
            Some((monomial, value)) if self.terms.len() == 1 && monomial.is_one() => {
                Some(value.clone())
            }
            Some(_) => None,
        }
    }

    /// The term that comes last in the order of monomials.
    pub(crate) fn leading(&self) -> Option<(&Monomial, &Rational)> {
        self.terms.last_key_value()
    }

    /// Every generator, possibly more than once.
    pub(crate) fn generators(&self) -> impl Iterator<Item = &(Gen, Exponent)> {
        self.terms.keys().flat_map(|monomial| monomial.0.iter())
    }

    pub(crate) fn neg(&self) -> Self {
        Self { terms: self.terms.iter().map(|(m, c)| (m.clone(), c.neg())).collect() }
    }

    pub(crate) fn add_term(
        &mut self,
        monomial: Monomial,
        coefficient: &Rational,
        fuel: &Fuel,
    ) -> Result<(), Stop> {
        use std::collections::btree_map::Entry;
        if coefficient.is_zero() {
            return Ok(());
        }
        fuel.spend(3)?;
        match self.terms.entry(monomial) {
            Entry::Vacant(slot) => {
                slot.insert(coefficient.clone());
            }
            Entry::Occupied(mut slot) => {
                let sum = slot.get().add(coefficient, fuel)?;
                if sum.is_zero() {
                    slot.remove();
                } else {
                    slot.insert(sum);
                }
            }
        }
        if self.terms.len() > MAX_TERMS { Err(Stop::TooBig) } else { Ok(()) }
    }

    pub(crate) fn add(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        fuel.spend(2 * self.len().max(other.len()) as u64)?;
        let (mut sum, rest) =
            if self.len() >= other.len() { (self.clone(), other) } else { (other.clone(), self) };
        for (monomial, coefficient) in rest.terms() {
            sum.add_term(monomial.clone(), coefficient, fuel)?;
        }
        Ok(sum)
    }

    pub(crate) fn sub(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        self.add(&other.neg(), fuel)
    }

    pub(crate) fn scale(&self, factor: &Rational, fuel: &Fuel) -> Result<Self, Stop> {
        if factor.is_zero() {
            return Ok(Self::zero());
        }
        if factor.is_one() {
            return Ok(self.clone());
        }
        fuel.spend(2 * self.len() as u64)?;
        let scaled = self.terms.iter().map(|(m, c)| Ok((m.clone(), c.mul(factor, fuel)?)));
        Ok(Self { terms: scaled.collect::<Result<_, Stop>>()? })
    }

    pub(crate) fn mul(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        if let Some(value) = self.as_constant() {
            return other.scale(&value, fuel);
        }
        if let Some(value) = other.as_constant() {
            return self.scale(&value, fuel);
        }
        let mut product = Self::zero();
        for (left, a) in self.terms() {
            for (right, b) in other.terms() {
                let reduced = left.mul(right, fuel)?;
                let coefficient = a.mul(b, fuel)?.mul(&reduced.coefficient, fuel)?;
                if reduced.factors.is_empty() {
                    product.add_term(reduced.monomial, &coefficient, fuel)?;
                    continue;
                }
                let mut term = Self::term(coefficient, reduced.monomial);
                for (factor, power) in reduced.factors {
                    term = term.mul(&factor.pow(power, fuel)?, fuel)?;
                }
                product = product.add(&term, fuel)?;
            }
        }
        Ok(product)
    }

    pub(crate) fn pow(&self, exponent: i64, fuel: &Fuel) -> Result<Self, Stop> {
        if !(0..=1 << 20).contains(&exponent) {
            return Err(Stop::TooBig);
        }
        if let Some(value) = self.as_constant() {
            return Ok(Self::constant(value.pow(exponent, fuel)?));
        }
        if let Some((monomial, coefficient)) = self.as_term() {
            let power = monomial.scale(Exponent::integer(exponent))?;
            return Self::from_monomial(power, &coefficient.pow(exponent, fuel)?, fuel);
        }
        let (mut result, mut base, mut left) = (Self::one(), self.clone(), exponent);
        while left > 0 {
            if left & 1 == 1 {
                result = result.mul(&base, fuel)?;
            }
            left >>= 1;
            if left > 0 {
                base = base.mul(&base, fuel)?;
            }
        }
        Ok(result)
    }

    /// A monomial with the relations of its generators used.
    pub(crate) fn from_monomial(
        monomial: Monomial,
        coefficient: &Rational,
        fuel: &Fuel,
    ) -> Result<Self, Stop> {
        fuel.spend(1)?;
        let reduced = monomial.reduce(fuel)?;
        let coefficient = coefficient.mul(&reduced.coefficient, fuel)?;
        let mut product = Self::term(coefficient, reduced.monomial);
        for (factor, power) in reduced.factors {
            product = product.mul(&factor.pow(power, fuel)?, fuel)?;
        }
        Ok(product)
    }

    /// The greatest rational that leaves coprime integer coefficients, with the sign of the
    /// leading one.
    pub(crate) fn content(&self, fuel: &Fuel) -> Result<Rational, Stop> {
        use num_integer::Integer;
        use num_traits::{One, Signed, Zero};
        let (mut numerator, mut denominator) =
            (num_bigint::BigInt::zero(), num_bigint::BigInt::one());
        for coefficient in self.terms.values() {
            fuel.number(coefficient.bits() + denominator.bits())?;
            numerator = numerator.gcd(&coefficient.numerator());
            denominator = denominator.lcm(&coefficient.denominator());
        }
        let content = Rational::ratio(numerator.abs(), denominator).ok_or(Stop::Undefined)?;
        let negative = self.leading().is_some_and(|(_, value)| value.is_negative());
        Ok(if negative { content.neg() } else { content })
    }

    /// The monomial of the smallest exponents: what divides every term.
    pub(crate) fn common_monomial(&self) -> Monomial {
        let mut monomials = self.terms.keys();
        let mut common = monomials.next().cloned().unwrap_or_default();
        for monomial in monomials {
            common.0.retain_mut(|(generator, least)| {
                match monomial.0.iter().find(|(g, _)| g == generator) {
                    Some((_, exponent)) => {
                        if exponent.rational() < least.rational() {
                            *least = *exponent;
                        }
                        true
                    }
                    None => least.n < 0,
                }
            });
            for (generator, exponent) in monomial.0.iter().filter(|(_, e)| e.n < 0) {
                if !common.0.iter().any(|(g, _)| g == generator) {
                    common.0.push((generator.clone(), *exponent));
                }
            }
        }
        common.0.sort();
        common
    }

    /// Divides every term by a monomial, without using relations.
    pub(crate) fn divide_monomial(&self, monomial: &Monomial) -> Result<Self, Stop> {
        let inverse = monomial.scale(Exponent::integer(-1))?;
        let terms = self.terms.iter().map(|(m, c)| Ok((m.merge(&inverse)?, c.clone())));
        Ok(Self { terms: terms.collect::<Result<_, Stop>>()? })
    }
}
