//! Functions, known and unknown, and the big operators.

use std::sync::Arc;

use super::{Failure, Parsed, Parser};
use crate::syntax::token::{Delim, Tok};
use crate::syntax::{BigOp, Id, Node, RelOp};

impl<'a> Parser<'a> {
    /// `\sin^2 x`, `\log_2 8`, `\gcd(a, b)`.
    pub(super) fn function(&mut self, name: &'static str) -> Parsed {
        self.at += 1;
        let (mut base, mut exponent) = (None, None);
        for _ in 0..2 {
            if self.eat(Tok::Underscore) {
                let group = self.peek() == Some(Tok::Open(Delim::Group));
                base = Some(if group { self.group()? } else { self.one_argument()? });
            } else if self.peek() == Some(Tok::Caret) {
                self.at += 1;
                exponent = Some(self.one_argument()?);
            } else if let Some(Tok::Super(digit)) = self.peek() {
                self.at += 1;
                exponent = Some(self.integer(digit.into())?);
            }
        }
        let arguments = self.function_arguments(name)?;
        if let (Some(id), true) = (exponent, arguments.len() == 1)
            && let Node::Neg(one) = self.node(id)
            && matches!(self.node(*one), Node::Number { value, .. } if value.is_one())
            && let Some(inverse) = inverse(name)
        {
            return self.push(Node::Call(inverse, None, arguments));
        }
        let call = self.push(Node::Call(name, base, arguments))?;
        match exponent {
            Some(exponent) => self.push(Node::Pow(call, exponent)),
            None => Ok(call),
        }
    }

    fn one_argument(&mut self) -> Parsed {
        match self.peek() {
            Some(Tok::Number(_)) => self.numeral(),
            Some(Tok::Minus) => {
                self.at += 1;
                let inner = self.nested(Self::one_argument)?;
                self.push(Node::Neg(inner))
            }
            _ => self.argument(),
        }
    }

    fn function_arguments(&mut self, name: &str) -> Result<Vec<Id>, Failure> {
        match self.peek() {
            Some(Tok::Open(Delim::Round)) => self.bracketed_arguments(),
            Some(Tok::Open(Delim::Curly)) if matches!(name, "min" | "max" | "gcd" | "lcm") => {
                let set = self.bracketed(Delim::Curly)?;
                match self.node(set) {
                    Node::Braces(items) => Ok(items.clone()),
                    _ => Err(Failure),
                }
            }
            _ => Ok(vec![self.bare_argument()?]),
        }
    }

    /// The items between round brackets.
    fn bracketed_arguments(&mut self) -> Result<Vec<Id>, Failure> {
        let inside = self.bracketed(Delim::Round)?;
        match self.node(inside).clone() {
            Node::Tuple { open, close, items } if open == close => Ok(items),
            _ => Ok(vec![inside]),
        }
    }

    /// An argument without brackets: factors up to a sign, a bracket or another function.
    fn bare_argument(&mut self) -> Parsed {
        self.nested(|parser| {
            if parser.eat(Tok::Minus) {
                let argument = parser.bare_argument()?;
                return parser.push(Node::Neg(argument));
            }
            let mut factors = vec![parser.power()?];
            loop {
                match parser.peek() {
                    Some(
                        Tok::Function(_)
                        | Tok::Open(Delim::Round | Delim::Square | Delim::Bar)
                        | Tok::Big(_),
                    ) => {
                        break;
                    }
                    Some(_) if parser.starts_factor() => {
                        let last = factors.last().copied().ok_or(Failure)?;
                        if parser.is_number(last) && matches!(parser.peek(), Some(Tok::Number(_))) {
                            return Err(Failure);
                        }
                        factors.push(parser.power()?);
                    }
                    _ => break,
                }
            }
            match factors.as_slice() {
                [only] => Ok(*only),
                _ => parser.push(Node::Product(factors)),
            }
        })
    }

    /// A letter applied to arguments: `f(x)` always, `C(10, 3)`, and any letter that a relation
    /// defines, as in `N(n) = ...`.
    pub(super) fn applied(&mut self, name: &'a str) -> Result<Option<Id>, Failure> {
        const USUAL: [&str; 9] = ["f", "g", "h", "F", "G", "H", "phi", "varphi", "psi"];
        let start = self.at;
        let mut full = name.to_owned();
        let mut ahead = 1;
        while self.tok(ahead) == Some(Tok::Prime) {
            full.push('\'');
            ahead += 1;
        }
        let usual = USUAL.contains(&name);
        if usual
            && self.tok(ahead) == Some(Tok::Underscore)
            && let Some(Tok::Number(index) | Tok::Letter(index)) = self.tok(ahead + 1)
        {
            full = format!("{full}_{index}");
            ahead += 2;
        }
        if usual && self.inverse_mark(ahead) {
            full.push_str("^-1");
            ahead += 5;
        }
        let open = self.token(ahead);
        if !open.is_some_and(|t| t.tok == Tok::Open(Delim::Round) && !t.space) {
            return Ok(None);
        }
        let counted = matches!(name, "C" | "P") && self.is_pair_of_numbers(ahead);
        if !usual && !counted && !self.is_definition(ahead) {
            return Ok(None);
        }
        self.at = start + ahead;
        let arguments = self.bracketed_arguments()?;
        if counted {
            let name = if name == "C" { "choose" } else { "permutations" };
            return self.push(Node::Call(name, None, arguments)).map(Some);
        }
        self.push(Node::Apply(Arc::from(full), arguments)).map(Some)
    }

    /// `^{-1}` before a bracket.
    fn inverse_mark(&self, ahead: usize) -> bool {
        self.tok(ahead) == Some(Tok::Caret)
            && self.tok(ahead + 1) == Some(Tok::Open(Delim::Group))
            && self.tok(ahead + 2) == Some(Tok::Minus)
            && self.tok(ahead + 3) == Some(Tok::Number("1"))
            && self.tok(ahead + 4) == Some(Tok::Close(Delim::Group))
            && self.tok(ahead + 5) == Some(Tok::Open(Delim::Round))
    }

    fn is_pair_of_numbers(&self, ahead: usize) -> bool {
        matches!(
            (self.tok(ahead + 1), self.tok(ahead + 2), self.tok(ahead + 3), self.tok(ahead + 4)),
            (
                Some(Tok::Number(_)),
                Some(Tok::Comma),
                Some(Tok::Number(_)),
                Some(Tok::Close(Delim::Round))
            )
        )
    }

    /// `(x)` or `(x, y)` with a relation behind it, at the beginning of a statement.
    fn is_definition(&self, ahead: usize) -> bool {
        let first = self.at == 0
            || matches!(
                self.tokens[self.at - 1].tok,
                Tok::Comma | Tok::Semicolon | Tok::And | Tok::Or | Tok::Text(_)
            );
        if !first {
            return false;
        }
        let mut at = ahead + 1;
        loop {
            if !matches!(self.tok(at), Some(Tok::Letter(_) | Tok::Number(_))) {
                return false;
            }
            match self.tok(at + 1) {
                Some(Tok::Comma) => at += 2,
                Some(Tok::Close(Delim::Round)) => break,
                _ => return false,
            }
        }
        matches!(self.tok(at + 2), Some(Tok::Rel(RelOp::Eq | RelOp::In | RelOp::Congruent)))
    }

    /// Sums, products, integrals and limits.
    pub(super) fn big(&mut self, op: BigOp) -> Parsed {
        self.at += 1;
        let (mut var, mut low, mut high) = (None, None, None);
        for _ in 0..2 {
            if self.eat(Tok::Underscore) {
                let bound = self.bound()?;
                (var, low) = match self.node(bound).clone() {
                    Node::Relation(operands, _) if operands.len() == 2 => {
                        (Some(operands[0]), Some(operands[1]))
                    }
                    _ => (None, Some(bound)),
                };
            } else if self.eat(Tok::Caret) {
                high = Some(self.bound()?);
            }
        }
        let body =
            if op == BigOp::Integral { self.nested(Self::sum)? } else { self.nested(Self::term)? };
        self.push(Node::Big { op, var, low, high, body })
    }

    fn bound(&mut self) -> Parsed {
        if self.peek() == Some(Tok::Open(Delim::Group)) {
            self.group()
        } else {
            self.one_argument()
        }
    }
}

fn inverse(name: &str) -> Option<&'static str> {
    Some(match name {
        "sin" => "arcsin",
        "cos" => "arccos",
        "tan" => "arctan",
        "cot" => "arccot",
        "sinh" => "arcsinh",
        "cosh" => "arccosh",
        "tanh" => "arctanh",
        _ => return None,
    })
}
