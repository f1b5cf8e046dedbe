//! Matrices, arrays, cases.

use super::{Failure, Parsed, Parser};
use crate::syntax::Node;
use crate::syntax::token::Tok;

/// Most entries of a matrix.
const MAX_ENTRIES: usize = 400;

impl Parser<'_> {
    pub(super) fn table(&mut self, name: &str) -> Parsed {
        self.at += 1;
        self.brackets += 1;
        let rows = self.nested(Self::rows);
        self.brackets -= 1;
        let rows = rows?;
        let Some(Tok::End(end)) = self.peek() else { return Err(Failure) };
        if end != name {
            return Err(Failure);
        }
        self.at += 1;
        let columns = rows.first().map_or(0, Vec::len);
        let system =
            matches!(name, "cases" | "aligned" | "align" | "align*" | "gathered" | "split");
        if system {
            let items: Vec<_> = rows.into_iter().flatten().collect();
            return match items.as_slice() {
                [only] => Ok(*only),
                _ => self.push(Node::List { items, disjunction: false }),
            };
        }
        if columns == 0 || rows.iter().any(|row| row.len() != columns) {
            return Err(Failure);
        }
        let count = rows.len();
        let items = rows.into_iter().flatten().collect();
        let matrix = self.push(Node::Matrix { rows: count, columns, items })?;
        match name.trim_end_matches('*') {
            "pmatrix" | "bmatrix" | "matrix" | "smallmatrix" | "array" | "Bmatrix" => Ok(matrix),
            "vmatrix" => self.push(Node::Determinant(matrix)),
            _ => Err(Failure),
        }
    }

    fn rows(&mut self) -> Result<Vec<Vec<crate::syntax::Id>>, Failure> {
        let (mut rows, mut row, mut entries) = (Vec::new(), Vec::new(), 0);
        loop {
            match self.peek() {
                Some(Tok::End(_)) => {
                    if !row.is_empty() {
                        rows.push(row);
                    }
                    return Ok(rows);
                }
                Some(Tok::Row) => {
                    self.at += 1;
                    if !row.is_empty() {
                        rows.push(std::mem::take(&mut row));
                    }
                }
                Some(Tok::Ampersand) => self.at += 1,
                None => return Err(Failure),
                Some(_) => {
                    entries += 1;
                    if entries > MAX_ENTRIES {
                        return Err(Failure);
                    }
                    row.push(self.groups()?);
                }
            }
        }
    }
}
