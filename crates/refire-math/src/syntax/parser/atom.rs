//! Atoms: numerals, letters, constants, fractions, roots, brackets, words.

use super::{Failure, Parsed, Parser};
use crate::exact::Rational;
use crate::syntax::token::{Delim, Tok};
use crate::syntax::{Id, Node};

impl<'a> Parser<'a> {
    pub(super) fn atom(&mut self) -> Parsed {
        let token = self.token(0).ok_or(Failure)?;
        match token.tok {
            Tok::Number(_) => self.numeral(),
            Tok::Vulgar(n, d) => {
                self.at += 1;
                let value = Rational::small_ratio(n, d).ok_or(Failure)?;
                self.push(Node::Number { value, places: None, plain: false })
            }
            Tok::Letter(name) => self.letter(name),
            Tok::Pi => self.constant(Node::Pi),
            Tok::Infinity => self.constant(Node::Infinity),
            Tok::Named(set) => self.constant(Node::Set(set)),
            Tok::Dots => self.constant(Node::Ellipsis),
            Tok::Frac | Tok::Binom => {
                self.at += 1;
                let top = self.argument()?;
                let bottom = self.argument()?;
                let fraction = token.tok == Tok::Frac;
                let node =
                    if fraction { Node::Div(top, bottom) } else { Node::Binomial(top, bottom) };
                self.push(node)
            }
            Tok::Sqrt => self.root(),
            Tok::Function(name) => self.function(name),
            Tok::Open(Delim::Group) => self.group(),
            Tok::Open(delim) => self.bracketed(delim),
            Tok::Close(Delim::Square) => self.reversed_interval(),
            Tok::Bar | Tok::DoubleBar => self.bars(),
            Tok::Money(sign) => {
                self.at += 1;
                let amount = self.money_amount()?;
                self.push(Node::Money(sign, amount))
            }
            Tok::Text(words) => self.text_atom(words),
            Tok::Accent(kind) => self.accent(kind),
            Tok::Frame => {
                self.at += 1;
                self.group()
            }
            Tok::Begin(name) => self.table(name),
            Tok::Big(op) => self.big(op),
            Tok::Underscore | Tok::Caret => self.prescript(),
            _ => Err(Failure),
        }
    }

    /// `_5C_2` and `^5P_2`: selections with the number before the letter.
    fn prescript(&mut self) -> Parsed {
        self.at += 1;
        let total = self.argument()?;
        let name = match self.peek() {
            Some(Tok::Letter("C")) => "choose",
            Some(Tok::Letter("P")) => "permutations",
            _ => return Err(Failure),
        };
        self.at += 1;
        self.expect(Tok::Underscore)?;
        let chosen = self.argument()?;
        self.push(Node::Call(name, None, vec![total, chosen]))
    }

    fn constant(&mut self, node: Node) -> Parsed {
        self.at += 1;
        self.push(node)
    }

    /// An amount of money: a sign may stand behind the currency.
    fn money_amount(&mut self) -> Parsed {
        if self.eat(Tok::Minus) {
            let amount = self.nested(Self::power)?;
            return self.push(Node::Neg(amount));
        }
        self.nested(Self::power)
    }

    /// The argument of a command: a group, one digit, or one atom.
    pub(super) fn argument(&mut self) -> Parsed {
        match self.peek() {
            Some(Tok::Open(Delim::Group)) => self.group(),
            Some(Tok::Number(digits)) => {
                let value = digits[..1].parse::<i64>().map_err(|_| Failure)?;
                self.split_number(1);
                self.integer(value)
            }
            Some(Tok::Letter(name)) => {
                self.at += 1;
                self.named(name)
            }
            Some(_) => self.nested(Self::atom),
            None => Err(Failure),
        }
    }

    /// Takes `length` digits off the number here.
    fn split_number(&mut self, length: usize) {
        let token = &mut self.tokens[self.at];
        match token.tok {
            Tok::Number(digits) if digits.len() > length => {
                token.tok = Tok::Number(&digits[length..]);
                token.start += length;
                token.space = false;
            }
            _ => self.at += 1,
        }
    }

    /// A root; without braces it takes the whole number that follows.
    fn root(&mut self) -> Parsed {
        self.at += 1;
        let degree = if self.peek() == Some(Tok::Open(Delim::Square)) {
            self.at += 1;
            let degree = self.nested(Self::sum)?;
            self.expect(Tok::Close(Delim::Square))?;
            Some(degree)
        } else {
            None
        };
        let radicand = match self.peek() {
            Some(Tok::Number(_)) => self.numeral_only()?,
            _ => self.argument()?,
        };
        self.push(Node::Root(degree, radicand))
    }

    /// A numeral that takes no fraction behind it.
    fn numeral_only(&mut self) -> Parsed {
        let Some(Tok::Number(digits)) = self.peek() else { return Err(Failure) };
        self.at += 1;
        let (value, places) = super::number::decimal(digits).ok_or(Failure)?;
        self.push(Node::Number { value, places, plain: places.is_none() })
    }

    fn letter(&mut self, name: &'a str) -> Parsed {
        if let Some(based) = self.based()? {
            return Ok(based);
        }
        if let Some(applied) = self.applied(name)? {
            return Ok(applied);
        }
        self.at += 1;
        self.named(name)
    }

    /// A symbol with its primes and its subscript.
    fn named(&mut self, name: &'a str) -> Parsed {
        let mut full = name.to_owned();
        while self.eat(Tok::Prime) {
            full.push('\'');
        }
        if self.peek() == Some(Tok::Underscore) {
            self.at += 1;
            return self.subscripted(full);
        }
        match name {
            "e" if full == "e" => self.push(Node::E),
            "i" | "imath" if full == name => self.push(Node::I),
            _ => self.symbol(full),
        }
    }

    fn subscripted(&mut self, name: String) -> Parsed {
        let start = self.token(0).map_or(self.text.len(), |token| token.start);
        let index = match self.peek() {
            Some(Tok::Number(_)) => self.numeral_only()?,
            Some(Tok::Text(_)) => {
                self.at += 1;
                let end = self.tokens[self.at - 1].end;
                return self.symbol(format!("{name}_{}", bare(&self.text[start..end])));
            }
            _ => self.argument()?,
        };
        let primes = std::iter::from_fn(|| self.eat(Tok::Prime).then_some('\'')).count();
        let name = format!("{name}{}", "'".repeat(primes));
        match self.node(index) {
            // The name of a sum's variable stays a node of its own.
            Node::Symbol(_) | Node::I => self.push(Node::Indexed(name.into(), index)),
            _ => {
                let end = self.tokens[self.at - 1].end;
                let full = bare(&self.text[start..end]);
                if full.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    return self.symbol(format!("{name}_{full}"));
                }
                self.push(Node::Indexed(name.into(), index))
            }
        }
    }

    /// `\overline{AB}`, `\vec v`, `\angle ABC`: a name of its own.
    fn accent(&mut self, kind: &'static str) -> Parsed {
        self.at += 1;
        let start = self.token(0).ok_or(Failure)?.start;
        let end = match self.peek() {
            Some(Tok::Open(Delim::Group)) => {
                let mut depth = 0_usize;
                loop {
                    let token = self.token(0).ok_or(Failure)?;
                    self.at += 1;
                    match token.tok {
                        Tok::Open(Delim::Group) => depth += 1,
                        Tok::Close(Delim::Group) if depth <= 1 => break token.end,
                        Tok::Close(Delim::Group) => depth -= 1,
                        Tok::Letter(_) | Tok::Number(_) | Tok::Underscore | Tok::Prime => {}
                        _ => return Err(Failure),
                    }
                }
            }
            Some(Tok::Letter(_)) => {
                let word = self.token(0).map_or(1, |token| token.word.len());
                self.at += if kind == "angle" { word.max(1) } else { 1 };
                self.tokens[self.at - 1].end
            }
            _ => return Err(Failure),
        };
        self.symbol(format!("{kind}:{}", bare(&self.text[start..end])))
    }

    /// Words in the place of an operand: a number in text, a currency, a label.
    fn text_atom(&mut self, words: &'a str) -> Parsed {
        const CODES: [(&str, &str); 9] = [
            ("USD", "$"),
            ("US$", "$"),
            ("US\\$", "$"),
            ("EUR", "€"),
            ("GBP", "£"),
            ("Rs.", "₹"),
            ("Rs", "₹"),
            ("INR", "₹"),
            ("JPY", "¥"),
        ];
        self.at += 1;
        let trimmed = words.trim();
        if let Some((_, sign)) = CODES.iter().find(|(code, _)| *code == trimmed) {
            let amount = self.money_amount()?;
            return self.push(Node::Money(sign, amount));
        }
        let letter = trimmed.len() == 1 && trimmed.bytes().all(|b| b.is_ascii_alphabetic());
        if trimmed.bytes().any(|b| b.is_ascii_digit()) || letter {
            return self.within(trimmed);
        }
        if trimmed.is_empty() {
            return self.nested(Self::atom);
        }
        self.push(Node::Text(trimmed.into()))
    }

    pub(super) fn is_number(&self, id: Id) -> bool {
        matches!(self.node(id), Node::Number { .. })
    }
}

/// Without braces and white space.
fn bare(text: &str) -> String {
    let text = text.replace("\\text", "").replace("\\mathrm", "");
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | '\\')).collect()
}
