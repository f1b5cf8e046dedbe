use crate::exact::{Gen, Kernel, Poly, Rational};
use crate::fuel::{Fuel, Stop};

/// A small rational exponent in lowest terms with a positive denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Exponent {
    pub(crate) n: i64,
    pub(crate) d: i64,
}

impl Exponent {
    pub(crate) const ONE: Self = Self { n: 1, d: 1 };
    const LIMIT: i64 = 1 << 40;

    pub(crate) fn new(value: &Rational) -> Result<Self, Stop> {
        let (n, d) = value.to_small().ok_or(Stop::TooBig)?;
        if n.abs() > Self::LIMIT || d > 1 << 16 { Err(Stop::TooBig) } else { Ok(Self { n, d }) }
    }

    pub(crate) fn integer(n: i64) -> Self {
        Self { n, d: 1 }
    }

    pub(crate) fn rational(self) -> Rational {
        Rational::small_ratio(self.n, self.d).unwrap_or(Rational::ZERO)
    }

    pub(crate) fn is_zero(self) -> bool {
        self.n == 0
    }

    pub(crate) fn add(self, other: Self) -> Result<Self, Stop> {
        let sum = if self.d == 1 && other.d == 1 {
            Rational::from_i64(self.n + other.n)
        } else {
            let n =
                i128::from(self.n) * i128::from(other.d) + i128::from(other.n) * i128::from(self.d);
            let d = self.d * other.d;
            Rational::small_ratio(i64::try_from(n).map_err(|_| Stop::TooBig)?, d)
                .ok_or(Stop::TooBig)?
        };
        Self::new(&sum)
    }

    pub(crate) fn mul(self, other: Self) -> Result<Self, Stop> {
        let n = self.n.checked_mul(other.n).ok_or(Stop::TooBig)?;
        Self::new(&Rational::small_ratio(n, self.d * other.d).ok_or(Stop::TooBig)?)
    }

    pub(crate) fn floor(self) -> i64 {
        self.n.div_euclid(self.d)
    }

    pub(crate) fn neg(self) -> Self {
        Self { n: -self.n, d: self.d }
    }
}

/// A product of powers of generators, sorted by generator; no exponent is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Monomial(pub(crate) Vec<(Gen, Exponent)>);

/// What a product of monomials comes to once the relations of its generators are used:
/// `coefficient * monomial * product of (factor ^ power)`.
pub(super) struct Product {
    pub(super) coefficient: Rational,
    pub(super) monomial: Monomial,
    pub(super) factors: Vec<(Poly, i64)>,
}

impl Monomial {
    pub(crate) fn one() -> Self {
        Self::default()
    }

    pub(crate) fn is_one(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn of(generator: Gen) -> Self {
        Self(vec![(generator, Exponent::ONE)])
    }

    /// The exponents added, without using any relation.
    pub(crate) fn merge(&self, other: &Self) -> Result<Self, Stop> {
        let mut merged = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some((a, _)), Some((b, _))) => a.cmp(b),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => return Ok(Self(merged)),
            };
            if order.is_eq() {
                if let (Some((generator, a)), Some((_, b))) = (left.next(), right.next()) {
                    let sum = a.add(*b)?;
                    if !sum.is_zero() {
                        merged.push((generator.clone(), sum));
                    }
                }
            } else {
                merged.extend(if order.is_lt() { left.next() } else { right.next() }.cloned());
            }
        }
    }

    /// Every exponent multiplied, without using any relation.
    pub(crate) fn scale(&self, exponent: Exponent) -> Result<Self, Stop> {
        if exponent.is_zero() {
            return Ok(Self::one());
        }
        let scaled = self.0.iter().map(|(g, e)| Ok((g.clone(), e.mul(exponent)?)));
        Ok(Self(scaled.collect::<Result<_, Stop>>()?))
    }

    pub(super) fn mul(&self, other: &Self, fuel: &Fuel) -> Result<Product, Stop> {
        fuel.spend(4 + 2 * (self.0.len() + other.0.len()) as u64)?;
        self.merge(other)?.reduce(fuel)
    }

    /// Uses `p^1 = p`, `i^2 = -1`, `root(n, f)^n = f` and `|f|^2 = f^2`.
    pub(super) fn reduce(self, fuel: &Fuel) -> Result<Product, Stop> {
        let mut coefficient = Rational::ONE;
        let mut factors = Vec::new();
        let needs = self.0.iter().any(|(g, e)| g.is_reducible(*e));
        if !needs {
            return Ok(Product { coefficient, monomial: self, factors });
        }
        let mut kept = Vec::with_capacity(self.0.len());
        for (generator, exponent) in self.0 {
            let mut left = exponent;
            match &generator {
                Gen::Prime(prime) => {
                    let whole = exponent.floor();
                    let base = Rational::from_big((*prime).into());
                    coefficient = coefficient.mul(&base.pow(whole, fuel)?, fuel)?;
                    left = exponent.add(Exponent::integer(-whole))?;
                }
                Gen::I if exponent.d == 1 => {
                    let power = exponent.n.rem_euclid(4);
                    if power >= 2 {
                        coefficient = coefficient.neg();
                    }
                    left = Exponent::integer(power % 2);
                }
                Gen::Kernel(kernel) if exponent.d == 1 => match &**kernel {
                    Kernel::Root(degree, radicand) if exponent.n >= i64::from(*degree) => {
                        factors.push((radicand.clone(), exponent.n / i64::from(*degree)));
                        left = Exponent::integer(exponent.n % i64::from(*degree));
                    }
                    Kernel::Abs(inside) if exponent.n >= 2 => {
                        factors.push((inside.clone(), exponent.n / 2 * 2));
                        left = Exponent::integer(exponent.n % 2);
                    }
                    _ => {}
                },
                _ => {}
            }
            if !left.is_zero() {
                kept.push((generator, left));
            }
        }
        Ok(Product { coefficient, monomial: Self(kept), factors })
    }
}
