//! How close to zero an algebraic number can be without being zero.

use crate::exact::{Gen, Kernel, Poly, Rational};

/// Bits such that a value below `2^-bits` is zero, for a polynomial in radicals, `i` and cosines
/// of rational angles (Burnikel, Fleischer, Mehlhorn and Schirra, 2001); `None` for anything else.
///
/// The value is `u / l` with algebraic integers of which all conjugates are at most `2^upper` and
/// `2^lower`, and its degree is at most the product of the degrees of its generators. A nonzero
/// algebraic integer has a norm of at least 1.
pub(crate) fn separation_bits(poly: &Poly) -> Option<u64> {
    let mut degrees = Degrees::default();
    let bound = degrees.poly(poly)?;
    let bits = (degrees.degree() - 1.0) * bound.upper.max(0.0) + bound.lower;
    (bits.is_finite() && bits < 1e6).then(|| bits.max(0.0).ceil() as u64 + 4)
}

fn totient(n: i64) -> i64 {
    (1..=n).filter(|k| num_integer::gcd(*k, n) == 1).count() as i64
}

struct Bound {
    upper: f64,
    lower: f64,
}

#[derive(Default)]
struct Degrees {
    seen: Vec<Gen>,
    product: f64,
    /// Least common multiple of the denominators of angles, whose cosines share one field.
    turns: i64,
}

/// Covers the rounding of the sums of logarithms.
const SLACK: f64 = 1e-6;

fn log2(value: &num_bigint::BigUint) -> f64 {
    value.bits() as f64
}

impl Degrees {
    /// The cosines of `n pi / q` lie in a field of degree `totient(2q) / 2`.
    fn degree(&self) -> f64 {
        let cosines = if self.turns == 0 { 1 } else { (totient(2 * self.turns) / 2).max(1) };
        self.product * cosines as f64
    }

    fn poly(&mut self, poly: &Poly) -> Option<Bound> {
        self.product = self.product.max(1.0);
        let mut terms = Vec::new();
        for (monomial, coefficient) in poly.terms() {
            let (numerator, denominator) = Rational::magnitude(coefficient);
            let mut bound = Bound { upper: log2(&numerator), lower: log2(&denominator) };
            for (generator, exponent) in &monomial.0 {
                let each = self.generator(generator, exponent.d)?;
                let power = exponent.n as f64 / exponent.d as f64;
                if power < 0.0 {
                    return None;
                }
                bound.upper += power * each.upper;
                bound.lower += power * each.lower;
            }
            terms.push(bound);
        }
        let lower: f64 = terms.iter().map(|t| t.lower).sum();
        let largest = terms.iter().map(|t| t.upper - t.lower).fold(f64::NEG_INFINITY, f64::max);
        let upper = largest + lower + (terms.len() as f64).log2() + SLACK;
        Some(Bound { upper, lower: lower + SLACK })
    }

    fn generator(&mut self, generator: &Gen, denominator: i64) -> Option<Bound> {
        let (bound, degree) = match generator {
            Gen::Prime(prime) => {
                (Bound { upper: (*prime as f64).log2() + SLACK, lower: 0.0 }, denominator as f64)
            }
            Gen::I => (Bound { upper: 0.0, lower: 0.0 }, 2.0),
            Gen::Kernel(kernel) => match &**kernel {
                Kernel::Root(degree, radicand) => {
                    let inside = self.poly(radicand)?;
                    let n = f64::from(*degree);
                    let bound = if inside.upper >= inside.lower {
                        Bound {
                            upper: (inside.upper + (n - 1.0) * inside.lower) / n,
                            lower: inside.lower,
                        }
                    } else {
                        Bound {
                            upper: inside.upper,
                            lower: ((n - 1.0) * inside.upper + inside.lower) / n,
                        }
                    };
                    (bound, n)
                }
                Kernel::CosPi(turn) => {
                    let (_, q) = turn.to_small()?;
                    self.turns = num_integer::lcm(self.turns.max(1), q);
                    if self.turns > 10_000 {
                        return None;
                    }
                    (Bound { upper: 1.0, lower: 1.0 }, 1.0)
                }
                _ => return None,
            },
            Gen::Pi | Gen::Var(_) => return None,
        };
        // A prime under roots of different degrees counts once for each.
        let key = generator.clone();
        if !self.seen.contains(&key) || matches!(generator, Gen::Prime(_)) && denominator > 2 {
            self.seen.push(key);
            self.product *= degree;
        }
        Some(bound)
    }
}
