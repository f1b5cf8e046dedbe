mod unicode;
mod word;

use crate::syntax::command::{Command, function, lookup};
use crate::syntax::token::{Delim, Tok, Token};
use crate::syntax::{NamedSet, RelOp};
use word::special_word;

/// Something in the text that has no meaning here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The tokens of `text`, from its first to its last character.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Unreadable> {
    let mut lexer = Lexer {
        text,
        at: 0,
        space: false,
        environments: 0,
        money: odd_dollars(text),
        tokens: Vec::with_capacity(text.len() / 2 + 4),
    };
    while lexer.at < text.len() {
        lexer.step()?;
    }
    Ok(without_empty_groups(lexer.tokens))
}

/// `{}_5C_2`: a group with nothing in it only carries an index.
fn without_empty_groups(mut tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let empty = |window: &[Token<'_>]| {
        window[0].tok == Tok::Open(Delim::Group)
            && window[1].tok == Tok::Close(Delim::Group)
            && matches!(window[2].tok, Tok::Underscore | Tok::Caret)
    };
    if tokens.windows(3).any(empty) {
        let mut kept = Vec::with_capacity(tokens.len());
        let mut at = 0;
        while at < tokens.len() {
            if tokens.get(at..at + 3).is_some_and(empty) {
                at += 2;
            }
            kept.push(tokens[at]);
            at += 1;
        }
        tokens = kept;
    }
    tokens
}

/// The words before an `and` that ends them.
fn before_and(words: &str) -> Option<&str> {
    words.trim_end().strip_suffix(" and").filter(|words| !words.trim().is_empty())
}

/// Dollars that don't pair up are money and not delimiters.
fn odd_dollars(text: &str) -> bool {
    let bytes = text.as_bytes();
    let bare = |at: &usize| bytes[*at] == b'$' && (*at == 0 || bytes[*at - 1] != b'\\');
    (0..bytes.len()).filter(bare).count() % 2 == 1
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    space: bool,
    environments: usize,
    money: bool,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, tok: Tok<'a>, length: usize) {
        let (start, end) = (self.at, self.at + length);
        self.tokens.push(Token { tok, space: self.space, start, end, word: "" });
        self.space = false;
        self.at = end;
    }

    pub(super) fn skip(&mut self, length: usize) {
        self.at += length;
        self.space = true;
    }

    fn step(&mut self) -> Result<(), Unreadable> {
        let byte = self.peek(0);
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b'~' => self.skip(1),
            b'0'..=b'9' => self.number(),
            b'.' => return self.dot(),
            b'A'..=b'Z' | b'a'..=b'z' => self.word(),
            b'\\' => return self.backslash(),
            b'$' if self.money => self.push(Tok::Money("$"), 1),
            b'$' => self.skip(1),
            b'*' if self.rest().starts_with("**") => {
                let emphasis = self.tokens.is_empty() || self.rest().len() == 2;
                if emphasis { self.skip(2) } else { self.push(Tok::Caret, 2) }
            }
            0x80.. => return self.unicode(),
            _ => return self.punctuation(byte),
        }
        Ok(())
    }

    fn number(&mut self) {
        let digits = |from: usize| {
            self.text.as_bytes()[from..].iter().take_while(|b| b.is_ascii_digit()).count()
        };
        let whole = digits(self.at);
        let mut length = whole;
        if self.peek(whole) == b'.' {
            length += match digits(self.at + whole + 1) {
                // `5.` ends a sentence, `0.\overline{3}` and `0.(3)` go on.
                0 if self.repeats(whole + 1) => 1,
                0 => 0,
                places => 1 + places,
            };
        }
        self.push(Tok::Number(&self.text[self.at..self.at + length]), length);
    }

    fn repeats(&self, ahead: usize) -> bool {
        let rest = &self.text[self.at + ahead..];
        ["\\overline", "\\bar", "\\dot", "("].iter().any(|mark| rest.starts_with(mark))
    }

    fn dot(&mut self) -> Result<(), Unreadable> {
        let rest = self.rest();
        if rest.starts_with("...") {
            self.push(Tok::Dots, 3);
        } else if self.peek(1).is_ascii_digit() {
            let places = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
            self.push(Tok::Number(&rest[..places + 1]), places + 1);
        } else if rest[1..].trim_start_matches([' ', '$', '\n', '*', '.']).is_empty() {
            // The end of the sentence.
            self.at = self.text.len();
        } else {
            return Err(Unreadable);
        }
        Ok(())
    }

    fn punctuation(&mut self, byte: u8) -> Result<(), Unreadable> {
        let rest = self.rest();
        const DOUBLE: [(&str, Tok<'static>); 9] = [
            ("<=", Tok::Rel(RelOp::Le)),
            (">=", Tok::Rel(RelOp::Ge)),
            ("=<", Tok::Rel(RelOp::Le)),
            ("!=", Tok::Rel(RelOp::Ne)),
            ("==", Tok::Rel(RelOp::Eq)),
            ("=>", Tok::Rel(RelOp::Implies)),
            ("->", Tok::Rel(RelOp::Implies)),
            ("+-", Tok::PlusMinus),
            ("||", Tok::DoubleBar),
        ];
        if let Some((_, tok)) = DOUBLE.iter().find(|(mark, _)| rest.starts_with(mark)) {
            self.push(*tok, 2);
            return Ok(());
        }
        let tok = match byte {
            b'+' => Tok::Plus,
            b'-' => Tok::Minus,
            b'*' => Tok::Times,
            b'/' => Tok::Slash,
            b'^' => Tok::Caret,
            b'_' => Tok::Underscore,
            b'!' => Tok::Bang,
            b'\'' => Tok::Prime,
            b'%' => Tok::Percent,
            b'=' => Tok::Rel(RelOp::Eq),
            b'<' => Tok::Rel(RelOp::Lt),
            b'>' => Tok::Rel(RelOp::Gt),
            b',' => Tok::Comma,
            b';' => Tok::Semicolon,
            b':' => Tok::Colon,
            b'(' => Tok::Open(Delim::Round),
            b')' => Tok::Close(Delim::Round),
            b'[' => Tok::Open(Delim::Square),
            b']' => Tok::Close(Delim::Square),
            b'{' => Tok::Open(Delim::Group),
            b'}' => Tok::Close(Delim::Group),
            b'|' => Tok::Bar,
            b'&' => Tok::Ampersand,
            _ => return Err(Unreadable),
        };
        self.push(tok, 1);
        Ok(())
    }

    fn backslash(&mut self) -> Result<(), Unreadable> {
        let next = self.peek(1);
        if next == b'\\' {
            // A row ends inside a table; elsewhere it is an escape written twice.
            if self.environments > 0 {
                self.push(Tok::Row, 2);
            } else if self.peek(2).is_ascii_alphabetic() || b"{}[](),!;:%$ ".contains(&self.peek(2))
            {
                self.at += 1;
            } else {
                self.skip(2);
            }
            return Ok(());
        }
        if next.is_ascii_alphabetic() {
            return self.command();
        }
        match next {
            b' ' | b',' | b';' | b':' | b'!' | b'>' | b'/' | b'(' | b')' | b'[' | b']' | b'\n'
            | b'-' => {
                let space = self.space;
                self.skip(2);
                // A negative space joins what stands around it.
                self.space = space || next != b'!';
            }
            b'{' => self.push(Tok::Open(Delim::Curly), 2),
            b'}' => self.push(Tok::Close(Delim::Curly), 2),
            b'|' => self.push(Tok::DoubleBar, 2),
            b'%' => self.push(Tok::Percent, 2),
            b'$' => self.push(Tok::Money("$"), 2),
            b'_' => self.push(Tok::Underscore, 2),
            b'&' => self.push(Tok::And, 2),
            _ => return Err(Unreadable),
        }
        Ok(())
    }

    fn command(&mut self) -> Result<(), Unreadable> {
        let rest = self.rest();
        let length = rest[1..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let mut name = &rest[1..=length];
        let command = lookup(name).or_else(|| {
            // A spacing command may run into what follows it: `\quadx`.
            let glued = ["quad", "qquad"].iter().find(|known| name.starts_with(**known))?;
            name = &name[..glued.len()];
            lookup(name)
        });
        let total = name.len() + 1;
        match command.ok_or(Unreadable)? {
            Command::Token(tok) => self.push(tok, total),
            Command::Greek => self.push(Tok::Letter(name), total),
            Command::Nothing => self.skip(total),
            Command::Left => self.delimiter(total, true)?,
            Command::Right => self.delimiter(total, false)?,
            Command::Text => {
                let (inside, length) = self.argument(total).ok_or(Unreadable)?;
                let name = inside.trim();
                if matches!(name, "\\$" | "$") {
                    self.push(Tok::Money("$"), length);
                } else if let Some(function) = function(name).filter(|f| !crate::unit::is_known(f))
                {
                    self.push(Tok::Function(function), length);
                } else if let Some(words) = before_and(inside) {
                    // `3\text{ hours and }20\text{ minutes}`
                    self.push(Tok::Text(words), length);
                    self.push(Tok::And, 0);
                } else {
                    self.push(Tok::Text(inside), length);
                }
            }
            Command::Roman => self.roman(total),
            Command::Blackboard => self.blackboard(total)?,
            Command::Begin => {
                let (inside, mut length) = self.argument(total).ok_or(Unreadable)?;
                if inside.starts_with("array") || inside.starts_with("tabular") {
                    length = self.argument(length).ok_or(Unreadable)?.1;
                }
                self.environments += 1;
                self.push(Tok::Begin(inside), length);
            }
            Command::End => {
                let (inside, length) = self.argument(total).ok_or(Unreadable)?;
                self.environments = self.environments.saturating_sub(1);
                self.push(Tok::End(inside), length);
            }
        }
        Ok(())
    }

    /// The braced argument after `ahead` bytes, and where it ends.
    fn argument(&self, ahead: usize) -> Option<(&'a str, usize)> {
        let rest = &self.rest()[ahead..];
        let spaces = rest.len() - rest.trim_start().len();
        let inside = rest[spaces..].strip_prefix('{')?;
        let length = crate::extract::closing_brace(inside)?;
        Some((&inside[..length], ahead + spaces + length + 2))
    }

    /// Letters in another typeface: a function, a single letter, words, or anything else.
    fn roman(&mut self, total: usize) {
        let Some((inside, length)) = self.argument(total) else {
            self.at += total;
            return;
        };
        let name = inside.trim();
        if let Some(tok) = special_word(name) {
            self.push(tok, length);
        } else if name.len() > 1
            && name.bytes().any(|b| b.is_ascii_alphabetic())
            && !name.contains('\\')
        {
            self.push(Tok::Text(inside), length);
        } else {
            // The group that follows is read as it stands.
            self.at += total;
        }
    }

    fn blackboard(&mut self, total: usize) -> Result<(), Unreadable> {
        let (name, length) = match self.argument(total) {
            Some((inside, length)) => (inside.trim(), length),
            None => {
                let rest = &self.rest()[total..];
                let skipped = rest.len() - rest.trim_start().len();
                (rest.trim_start().get(..1).unwrap_or(""), total + skipped + 1)
            }
        };
        let set = match name {
            "R" => NamedSet::Reals,
            "Z" => NamedSet::Integers,
            "Q" => NamedSet::Rationals,
            "N" => NamedSet::Naturals,
            "C" => NamedSet::Complex,
            _ => return Err(Unreadable),
        };
        self.push(Tok::Named(set), length);
        Ok(())
    }

    /// What follows `\left` or `\right`. Bars get the side they would not have by themselves.
    fn delimiter(&mut self, total: usize, left: bool) -> Result<(), Unreadable> {
        let rest = &self.rest()[total..];
        let total = total + (rest.len() - rest.trim_start().len());
        let side = |delim| if left { Tok::Open(delim) } else { Tok::Close(delim) };
        let rest = &self.rest()[total..];
        if rest.starts_with('.') {
            self.skip(total + 1);
        } else if rest.starts_with("\\|") {
            self.push(side(Delim::DoubleBar), total + 2);
        } else if rest.starts_with("\\vert") {
            self.push(side(Delim::Bar), total + 5);
        } else if rest.starts_with('|') {
            self.push(side(Delim::Bar), total + 1);
        } else if rest.starts_with('<') || rest.starts_with('>') {
            self.push(side(Delim::Angle), total + 1);
        } else if rest.is_empty() {
            return Err(Unreadable);
        } else {
            self.at += total;
        }
        Ok(())
    }
}
