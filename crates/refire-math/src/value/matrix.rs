use crate::exact::Fraction;
use crate::fuel::{Fuel, Stop};
use crate::value::Matrix;

/// Largest exponent of a matrix power.
const MAX_POWER: i64 = 10_000;

impl Matrix {
    pub(crate) fn transposed(&self) -> Self {
        let entry =
            |at: usize| self.items[(at % self.rows) * self.columns + at / self.rows].clone();
        Self {
            rows: self.columns,
            columns: self.rows,
            items: (0..self.items.len()).map(entry).collect(),
        }
    }

    pub(super) fn add(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        if (self.rows, self.columns) != (other.rows, other.columns) {
            return Err(Stop::Undefined);
        }
        let items = self.items.iter().zip(&other.items).map(|(a, b)| a.add(b, fuel));
        Ok(Self { items: items.collect::<Result<_, _>>()?, ..*self })
    }

    pub(super) fn mul(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        if self.columns != other.rows {
            return Err(Stop::Undefined);
        }
        let mut items = Vec::with_capacity(self.rows * other.columns);
        for row in 0..self.rows {
            for column in 0..other.columns {
                let mut sum = Fraction::ZERO;
                for k in 0..self.columns {
                    let (a, b) = (
                        &self.items[row * self.columns + k],
                        &other.items[k * other.columns + column],
                    );
                    sum = sum.add(&a.mul(b, fuel)?, fuel)?;
                }
                items.push(sum);
            }
        }
        Ok(Self { rows: self.rows, columns: other.columns, items })
    }

    fn identity(size: usize) -> Self {
        let entry = |at| if at % (size + 1) == 0 { Fraction::ONE } else { Fraction::ZERO };
        Self { rows: size, columns: size, items: (0..size * size).map(entry).collect() }
    }

    pub(super) fn pow(&self, exponent: i64, fuel: &Fuel) -> Result<Self, Stop> {
        if self.rows != self.columns {
            return Err(Stop::Undefined);
        }
        if exponent.abs() > MAX_POWER {
            return Err(Stop::TooBig);
        }
        let mut base = if exponent < 0 { self.inverse(fuel)? } else { self.clone() };
        let (mut result, mut left) = (Self::identity(self.rows), exponent.unsigned_abs());
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

    /// By elimination; the entries to divide by are those that are not zero in their exact form.
    pub(super) fn determinant(&self, fuel: &Fuel) -> Result<Fraction, Stop> {
        if self.rows != self.columns {
            return Err(Stop::Undefined);
        }
        let (n, mut m, mut result) = (self.rows, self.items.clone(), Fraction::ONE);
        for column in 0..n {
            let Some(pivot) = (column..n).find(|row| !m[row * n + column].is_zero()) else {
                return Ok(Fraction::ZERO);
            };
            if pivot != column {
                for k in 0..n {
                    m.swap(pivot * n + k, column * n + k);
                }
                result = result.neg();
            }
            result = result.mul(&m[column * n + column], fuel)?;
            for row in column + 1..n {
                let factor = m[row * n + column].div(&m[column * n + column], fuel)?;
                for k in column..n {
                    let change = factor.mul(&m[column * n + k], fuel)?;
                    m[row * n + k] = m[row * n + k].sub(&change, fuel)?;
                }
            }
        }
        Ok(result)
    }

    fn inverse(&self, fuel: &Fuel) -> Result<Self, Stop> {
        let n = self.rows;
        let (mut m, mut inverse) = (self.items.clone(), Self::identity(n).items);
        for column in 0..n {
            let pivot =
                (column..n).find(|row| !m[row * n + column].is_zero()).ok_or(Stop::Undefined)?;
            for k in 0..n {
                m.swap(pivot * n + k, column * n + k);
                inverse.swap(pivot * n + k, column * n + k);
            }
            let scale = m[column * n + column].recip(fuel)?;
            for k in 0..n {
                m[column * n + k] = m[column * n + k].mul(&scale, fuel)?;
                inverse[column * n + k] = inverse[column * n + k].mul(&scale, fuel)?;
            }
            for row in (0..n).filter(|row| *row != column) {
                let factor = m[row * n + column].clone();
                for k in 0..n {
                    let change = factor.mul(&m[column * n + k], fuel)?;
                    m[row * n + k] = m[row * n + k].sub(&change, fuel)?;
                    let change = factor.mul(&inverse[column * n + k], fuel)?;
                    inverse[row * n + k] = inverse[row * n + k].sub(&change, fuel)?;
                }
            }
        }
        Ok(Self { rows: n, columns: n, items: inverse })
    }
}
