//! Lists of statements, and the relations in a statement.

use super::{Parsed, Parser};
use crate::syntax::token::{Delim, Tok};
use crate::syntax::{Node, RelOp};

/// What stands between two items of a list.
#[derive(PartialEq)]
enum Separator {
    Comma,
    And,
    Or,
}

impl Parser<'_> {
    /// Lists separated by semicolons.
    pub(super) fn groups(&mut self) -> Parsed {
        let first = self.list()?;
        if self.peek() != Some(Tok::Semicolon) {
            return Ok(first);
        }
        let mut groups = vec![first];
        while self.eat(Tok::Semicolon) {
            self.connective();
            if self.ended() {
                break;
            }
            groups.push(self.list()?);
        }
        if groups.len() == 1 { Ok(first) } else { self.push(Node::Groups(groups)) }
    }

    /// Statements separated by commas, `and` and `or`.
    pub(super) fn list(&mut self) -> Parsed {
        let mut items = vec![self.statement()?];
        let mut disjunction = false;
        while let Some(separator) = self.separator().or_else(|| self.next_part(&items)) {
            disjunction |= separator == Separator::Or;
            // A comma may end what was cut out of a sentence.
            if separator == Separator::Comma && self.ended() {
                break;
            }
            items.push(self.statement()?);
        }
        match items.as_slice() {
            [only] => Ok(*only),
            _ => self.push(Node::List { items, disjunction }),
        }
    }

    /// A number behind an amount with its unit begins the next part of that amount.
    fn next_part(&self, items: &[crate::syntax::Id]) -> Option<Separator> {
        let amount = items.last().is_some_and(|last| matches!(self.node(*last), Node::Unit(..)));
        (amount && matches!(self.peek(), Some(Tok::Number(_)))).then_some(Separator::And)
    }

    fn ended(&self) -> bool {
        matches!(self.peek(), None | Some(Tok::Close(Delim::Group)))
    }

    fn separator(&mut self) -> Option<Separator> {
        let comma = self.eat(Tok::Comma);
        match self.connective() {
            None => comma.then_some(Separator::Comma),
            found => found,
        }
    }

    fn connective(&mut self) -> Option<Separator> {
        let found = match self.peek()? {
            Tok::And => Separator::And,
            Tok::Or => Separator::Or,
            Tok::Text(words) => connective_word(words)?,
            _ => return None,
        };
        self.at += 1;
        Some(found)
    }

    /// Operands and the relations between them.
    pub(super) fn statement(&mut self) -> Parsed {
        if let Some(Tok::Rel(RelOp::Eq | RelOp::Approx)) = self.peek() {
            // `= 5` continues what the sentence began.
            self.at += 1;
        }
        if let Some((length, words)) = self.words_to_the_end() {
            self.at += length;
            return self.push(Node::Text(words.into()));
        }
        let mut operands = vec![self.operand()?];
        let mut relations = Vec::new();
        while let Some(Tok::Rel(relation)) = self.peek() {
            self.at += 1;
            relations.push(relation);
            operands.push(self.operand()?);
        }
        let statement = match operands.as_slice() {
            [only] => *only,
            _ => self.push(Node::Relation(operands, relations))?,
        };
        self.modulus(statement)
    }

    /// The operand of a relation: words, or a set expression.
    fn operand(&mut self) -> Parsed {
        self.nested(|parser| {
            let first = parser.set()?;
            if parser.peek() != Some(Tok::Colon) {
                return Ok(first);
            }
            if matches!(parser.node(first), Node::Symbol(_)) && parser.curly > 0 {
                return Ok(first);
            }
            let mut parts = vec![first];
            while parser.eat(Tok::Colon) {
                parts.push(parser.set()?);
            }
            parser.push(Node::Ratio(parts))
        })
    }

    fn modulus(&mut self, statement: crate::syntax::Id) -> Parsed {
        let bracket = self.peek() == Some(Tok::Open(Delim::Round)) && self.tok(1) == Some(Tok::Mod);
        if self.eat(Tok::Pmod) {
            let modulus = self.argument()?;
            return self.push(Node::Call("pmod", None, vec![statement, modulus]));
        }
        if bracket {
            self.at += 2;
            let modulus = self.sum()?;
            self.expect(Tok::Close(Delim::Round))?;
            return self.push(Node::Call("pmod", None, vec![statement, modulus]));
        }
        Ok(statement)
    }

    /// Unions, intersections and differences, from left to right.
    pub(super) fn set(&mut self) -> Parsed {
        let mut left = self.sum()?;
        loop {
            let union = match self.peek() {
                Some(Tok::Cup) => true,
                Some(Tok::Letter("U")) if self.is_bracketed(left) && self.opens_bracket(1) => true,
                Some(Tok::Cap) => false,
                Some(Tok::Setminus) => {
                    self.at += 1;
                    let right = self.sum()?;
                    left = self.push(Node::Without(left, right))?;
                    continue;
                }
                _ => return Ok(left),
            };
            let mut items = vec![left];
            let continues = |parser: &Self| match parser.peek() {
                Some(Tok::Cup) => union,
                Some(Tok::Letter("U")) => union && parser.opens_bracket(1),
                Some(Tok::Cap) => !union,
                _ => false,
            };
            while continues(self) {
                self.at += 1;
                items.push(self.sum()?);
            }
            let node = if union { Node::Union(items) } else { Node::Intersection(items) };
            left = self.push(node)?;
        }
    }

    fn is_bracketed(&self, id: crate::syntax::Id) -> bool {
        matches!(self.node(id), Node::Tuple { .. } | Node::Braces(_) | Node::Union(_))
    }

    fn opens_bracket(&self, ahead: usize) -> bool {
        use Delim::{Curly, Round, Square};
        matches!(self.tok(ahead), Some(Tok::Open(Round | Square | Curly)))
    }

    /// Whether the statement ends here.
    pub(super) fn statement_ends(&self, ahead: usize) -> bool {
        match self.tok(ahead) {
            None
            | Some(
                Tok::Comma
                | Tok::Semicolon
                | Tok::And
                | Tok::Or
                | Tok::Close(_)
                | Tok::Rel(_)
                | Tok::Ampersand
                | Tok::Row
                | Tok::End(_),
            ) => true,
            Some(Tok::Text(words)) => connective_word(words).is_some(),
            _ => false,
        }
    }
}

fn connective_word(words: &str) -> Option<Separator> {
    match words.trim().trim_start_matches(',').trim() {
        "and" | "And" | "AND" | "&" => Some(Separator::And),
        "or" | "Or" | "OR" => Some(Separator::Or),
        _ => None,
    }
}
