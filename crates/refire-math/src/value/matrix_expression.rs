//! Sums, products and powers of matrices, and determinants.

use crate::canon::Canon;
use crate::exact::{Fraction, Rational};
use crate::fuel::Stop;
use crate::syntax::{Id, Node};
use crate::value::{Matrix, Reader};

impl Reader<'_> {
    pub(super) fn has_matrix(&self, id: Id, depth: usize) -> bool {
        if depth > 6 {
            return false;
        }
        let inner = |id: &Id| self.has_matrix(*id, depth + 1);
        match self.ast.get(id) {
            Node::Matrix { .. } | Node::Determinant(_) => true,
            Node::Sum(items) | Node::Product(items) => items.iter().any(inner),
            Node::Neg(a) | Node::Transpose(a) | Node::Pow(a, _) | Node::Div(a, _) => inner(a),
            Node::Call("det", _, items) => items.iter().any(inner),
            _ => false,
        }
    }

    /// A matrix expression; `Err` holds the number that it comes to.
    pub(super) fn matrix(&self, id: Id) -> Result<Result<Matrix, Fraction>, Stop> {
        let fuel = self.fuel;
        match self.ast.get(id) {
            Node::Matrix { rows, columns, items } => {
                let items = Canon::new(self.ast, fuel).all(items)?;
                Ok(Ok(Matrix { rows: *rows, columns: *columns, items }))
            }
            Node::Determinant(inside) => match self.matrix(*inside)? {
                Ok(matrix) => Ok(Err(matrix.determinant(fuel)?)),
                Err(_) => Err(Stop::Unsupported),
            },
            Node::Call("det", _, items) if items.len() == 1 => match self.matrix(items[0])? {
                Ok(matrix) => Ok(Err(matrix.determinant(fuel)?)),
                Err(_) => Err(Stop::Unsupported),
            },
            Node::Transpose(inside) => match self.matrix(*inside)? {
                Ok(matrix) => Ok(Ok(matrix.transposed())),
                Err(_) => Err(Stop::Unsupported),
            },
            Node::Neg(inside) => self.scaled(self.matrix(*inside)?, &Fraction::integer(-1)),
            Node::Div(a, b) => {
                let inverse = Canon::new(self.ast, fuel).scalar(*b)?.recip(fuel)?;
                self.scaled(self.matrix(*a)?, &inverse)
            }
            Node::Sum(items) => self.fold(items, |a, b| match (a, b) {
                (Ok(a), Ok(b)) => Ok(Ok(a.add(&b, fuel)?)),
                (Err(a), Err(b)) => Ok(Err(a.add(&b, fuel)?)),
                _ => Err(Stop::Unsupported),
            }),
            Node::Product(items) => self.fold(items, |a, b| match (a, b) {
                (Ok(a), Ok(b)) => Ok(Ok(a.mul(&b, fuel)?)),
                (Ok(m), Err(k)) | (Err(k), Ok(m)) => self.scaled(Ok(m), &k),
                (Err(a), Err(b)) => Ok(Err(a.mul(&b, fuel)?)),
            }),
            Node::Pow(base, exponent) => {
                let exponent = Canon::new(self.ast, fuel).scalar(*exponent)?;
                let exponent =
                    exponent.rational().and_then(Rational::to_i64).ok_or(Stop::Unsupported)?;
                match self.matrix(*base)? {
                    Ok(matrix) => Ok(Ok(matrix.pow(exponent, fuel)?)),
                    Err(value) => Ok(Err(value.powi(exponent, fuel)?)),
                }
            }
            _ => Ok(Err(Canon::new(self.ast, fuel).scalar(id)?)),
        }
    }

    fn scaled(
        &self,
        value: Result<Matrix, Fraction>,
        factor: &Fraction,
    ) -> Result<Result<Matrix, Fraction>, Stop> {
        match value {
            Ok(mut matrix) => {
                for item in &mut matrix.items {
                    *item = item.mul(factor, self.fuel)?;
                }
                Ok(Ok(matrix))
            }
            Err(value) => Ok(Err(value.mul(factor, self.fuel)?)),
        }
    }

    fn fold(
        &self,
        items: &[Id],
        step: impl Fn(
            Result<Matrix, Fraction>,
            Result<Matrix, Fraction>,
        ) -> Result<Result<Matrix, Fraction>, Stop>,
    ) -> Result<Result<Matrix, Fraction>, Stop> {
        let mut items = items.iter();
        let first = items.next().ok_or(Stop::Unsupported)?;
        let mut total = self.matrix(*first)?;
        for item in items {
            total = step(total, self.matrix(*item)?)?;
        }
        Ok(total)
    }
}
