//! Sums, products, signs and powers.

use super::{Failure, Parsed, Parser};
use crate::syntax::token::{Delim, Tok};
use crate::syntax::{Id, Node};

impl Parser<'_> {
    /// Terms with their signs; words of a unit at the end belong to the whole.
    pub(super) fn sum(&mut self) -> Parsed {
        let mut terms = Vec::new();
        let mut total: Option<Id> = None;
        loop {
            let sign = self.peek();
            let signed =
                matches!(sign, Some(Tok::Plus | Tok::Minus | Tok::PlusMinus | Tok::MinusPlus));
            if !signed && (total.is_some() || !terms.is_empty()) {
                break;
            }
            self.at += usize::from(signed);
            let term = self.term()?;
            match sign {
                Some(Tok::Minus) => terms.push(self.push(Node::Neg(term))?),
                Some(Tok::PlusMinus | Tok::MinusPlus) => {
                    let left = self.total(total, &mut terms)?;
                    let flipped = sign == Some(Tok::MinusPlus);
                    total = Some(self.push(Node::PlusMinus(left, term, flipped))?);
                }
                _ => terms.push(term),
            }
        }
        let sum = self.total(total, &mut terms)?.ok_or(Failure)?;
        match self.unit_ahead() {
            Some((length, words)) => {
                self.at += length;
                self.push(Node::Unit(sum, words.into()))
            }
            None => Ok(sum),
        }
    }

    fn total(&mut self, total: Option<Id>, terms: &mut Vec<Id>) -> Result<Option<Id>, Failure> {
        let mut items: Vec<Id> = total.into_iter().collect();
        items.append(terms);
        Ok(match items.as_slice() {
            [] => None,
            [only] => Some(*only),
            _ => Some(self.push(Node::Sum(items))?),
        })
    }

    /// Factors, written with or without a sign between them.
    pub(super) fn term(&mut self) -> Parsed {
        let first = self.signed()?;
        let mut factors = vec![first];
        loop {
            match self.peek() {
                Some(Tok::Times) => {
                    self.at += 1;
                    factors.push(self.signed()?);
                }
                Some(Tok::Slash) => {
                    self.at += 1;
                    let numerator = self.product(&mut factors)?;
                    let denominator = self.signed()?;
                    factors.push(self.push(Node::Div(numerator, denominator))?);
                }
                Some(Tok::Mod) => {
                    self.at += 1;
                    let value = self.product(&mut factors)?;
                    let modulus = self.signed()?;
                    factors.push(self.push(Node::Mod(value, modulus))?);
                }
                Some(Tok::Over | Tok::Choose) => {
                    let over = self.eat(Tok::Over);
                    self.at += usize::from(!over);
                    let top = self.product(&mut factors)?;
                    let bottom = self.sum()?;
                    let node =
                        if over { Node::Div(top, bottom) } else { Node::Binomial(top, bottom) };
                    factors.push(self.push(node)?);
                }
                Some(Tok::Letter("x" | "X")) if self.crosses(factors.last()) => {
                    self.at += 1;
                    factors.push(self.signed()?);
                }
                _ if self.starts_factor() => {
                    let last = factors.last().copied().ok_or(Failure)?;
                    self.may_touch(last)?;
                    factors.push(self.power()?);
                }
                _ => return self.product(&mut factors),
            }
        }
    }

    /// `6.02 x 10^23`: the letter stands for a sign between two numbers.
    fn crosses(&self, last: Option<&Id>) -> bool {
        last.is_some_and(|last| matches!(self.node(*last), Node::Number { .. }))
            && matches!(self.tok(1), Some(Tok::Number(_)))
            && self.token(0).is_some_and(|token| token.word.len() == 1)
    }

    fn product(&mut self, factors: &mut Vec<Id>) -> Parsed {
        let items = std::mem::take(factors);
        match items.as_slice() {
            [only] => Ok(*only),
            _ => self.push(Node::Product(items)),
        }
    }

    /// A factor that may carry a sign, as in `2 * -3`.
    fn signed(&mut self) -> Parsed {
        match self.peek() {
            Some(Tok::Minus) => {
                self.at += 1;
                let factor = self.nested(Self::signed)?;
                self.push(Node::Neg(factor))
            }
            Some(Tok::Plus) => {
                self.at += 1;
                self.nested(Self::signed)
            }
            _ => self.power(),
        }
    }

    /// Whether a factor begins here without a sign before it.
    pub(super) fn starts_factor(&self) -> bool {
        let Some(token) = self.token(0) else { return false };
        match token.tok {
            Tok::Number(_)
            | Tok::Vulgar(..)
            | Tok::Frac
            | Tok::Sqrt
            | Tok::Binom
            | Tok::Pi
            | Tok::Infinity
            | Tok::Accent(_)
            | Tok::Begin(_)
            | Tok::Big(_)
            | Tok::Function(_) => true,
            Tok::Letter(_) => self.unit_ahead().is_none() && !self.is_union_letter(),
            Tok::Open(Delim::Square) => self.squares == 0,
            Tok::Open(delim) => !matches!(delim, Delim::Curly) && !self.is_modulus(),
            Tok::Bar => self.bars == 0 && self.curly == 0,
            _ => false,
        }
    }

    fn is_union_letter(&self) -> bool {
        self.peek() == Some(Tok::Letter("U"))
            && matches!(self.tok(1), Some(Tok::Open(_)))
            && self.at > 0
            && matches!(self.tokens[self.at - 1].tok, Tok::Close(_))
    }

    fn is_modulus(&self) -> bool {
        self.peek() == Some(Tok::Open(Delim::Round)) && matches!(self.tok(1), Some(Tok::Mod))
    }

    /// Two numbers side by side are no product, whatever they are.
    fn may_touch(&self, last: Id) -> Result<(), Failure> {
        let digit = matches!(self.peek(), Some(Tok::Number(_)))
            && !matches!(self.node(last), Node::Factorial(_));
        let loose = matches!(
            self.node(last),
            Node::Tuple { .. } | Node::Braces(_) | Node::Text(_) | Node::Set(_) | Node::Unit(..)
        );
        if loose || digit { Err(Failure) } else { Ok(()) }
    }

    /// An atom with what is attached to it: exponents, factorials, primes, percent signs.
    pub(super) fn power(&mut self) -> Parsed {
        self.nested(|parser| {
            let base = parser.atom()?;
            parser.attached(base)
        })
    }

    pub(super) fn attached(&mut self, mut base: Id) -> Parsed {
        loop {
            let node = match self.peek() {
                Some(Tok::Caret) => {
                    self.at += 1;
                    self.exponent(base)?
                }
                Some(Tok::Super(_)) => {
                    let exponent = self.superscript()?;
                    Node::Pow(base, exponent)
                }
                Some(Tok::Bang) => {
                    self.at += 1;
                    let adjacent = self.token(0).is_some_and(|t| !t.space);
                    if adjacent && self.eat(Tok::Bang) {
                        Node::DoubleFactorial(base)
                    } else {
                        Node::Factorial(base)
                    }
                }
                Some(Tok::Percent) => {
                    self.at += 1;
                    Node::Percent(base)
                }
                Some(Tok::Degree) => {
                    self.at += 1;
                    Node::Degree(base)
                }
                Some(Tok::Money(sign)) if self.statement_ends(1) => {
                    self.at += 1;
                    Node::Money(sign, base)
                }
                _ => return Ok(base),
            };
            base = self.push(node)?;
        }
    }

    fn superscript(&mut self) -> Parsed {
        let mut value = 0_i64;
        while let Some(Tok::Super(digit)) = self.peek() {
            value =
                value.checked_mul(10).and_then(|v| v.checked_add(digit.into())).ok_or(Failure)?;
            self.at += 1;
        }
        self.integer(value)
    }

    /// What `^` makes of `base`.
    fn exponent(&mut self, base: Id) -> Result<Node, Failure> {
        if self.eat(Tok::Degree) {
            return Ok(Node::Degree(base));
        }
        if self.peek() == Some(Tok::Open(Delim::Group)) {
            if self.tok(1) == Some(Tok::Degree) && self.tok(2) == Some(Tok::Close(Delim::Group)) {
                self.at += 3;
                return Ok(Node::Degree(base));
            }
            let exponent = self.group()?;
            return Ok(self.raised(base, exponent));
        }
        let exponent = self.tight()?;
        Ok(self.raised(base, exponent))
    }

    fn raised(&self, base: Id, exponent: Id) -> Node {
        let transposed = matches!(self.node(exponent), Node::Symbol(name) if &**name == "T")
            && matches!(self.node(base), Node::Matrix { .. });
        if transposed { Node::Transpose(base) } else { Node::Pow(base, exponent) }
    }

    /// An exponent without braces: a sign and one atom, itself perhaps raised.
    fn tight(&mut self) -> Parsed {
        self.nested(|parser| {
            if parser.eat(Tok::Minus) {
                let exponent = parser.tight()?;
                return parser.push(Node::Neg(exponent));
            }
            let atom = parser.atom()?;
            if parser.eat(Tok::Caret) {
                let exponent = parser.tight()?;
                return parser.push(Node::Pow(atom, exponent));
            }
            if parser.eat(Tok::Bang) { parser.push(Node::Factorial(atom)) } else { Ok(atom) }
        })
    }
}
