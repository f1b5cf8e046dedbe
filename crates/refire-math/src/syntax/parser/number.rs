//! Numerals: grouped, decimal, scientific, repeating, mixed, in another base.

use num_bigint::BigInt;
use num_traits::Num;

use super::{Failure, Parsed, Parser};
use crate::exact::Rational;
use crate::syntax::token::{Delim, Tok};
use crate::syntax::{Id, Node};

/// Most digits of one numeral.
const MAX_DIGITS: usize = 4_000;
/// Largest exponent of scientific notation.
const MAX_EXPONENT: u32 = 4_000;

impl<'a> Parser<'a> {
    pub(super) fn integer(&mut self, value: i64) -> Parsed {
        let value = Rational::from_i64(value);
        self.push(Node::Number { value, places: None, plain: true })
    }

    /// The numeral that starts here.
    pub(super) fn numeral(&mut self) -> Parsed {
        if let Some(based) = self.based()? {
            return Ok(based);
        }
        let Some(Tok::Number(first)) = self.peek() else { return Err(Failure) };
        self.at += 1;
        let mut digits = first.to_owned();
        let grouped = self.grouped(first, &mut digits);
        if digits.len() > MAX_DIGITS {
            return Err(Failure);
        }
        if let Some(repeating) = self.repeating(&digits)? {
            return self.push(Node::Number { value: repeating, places: None, plain: false });
        }
        let (value, places) = decimal(&digits).ok_or(Failure)?;
        let (value, scientific) = self.scientific(value)?;
        let plain = places.is_none() && !grouped && !scientific;
        let number = self.push(Node::Number { value, places, plain })?;
        if places.is_some() || scientific {
            return Ok(number);
        }
        match self.selection(number)? {
            Some(selection) => Ok(selection),
            None => self.mixed(number),
        }
    }

    /// `5C2`, adjacent throughout.
    fn selection(&mut self, total: Id) -> Result<Option<Id>, Failure> {
        let adjacent = |ahead: usize| self.token(ahead).is_some_and(|t| !t.space);
        let name = match (self.peek(), self.tok(1)) {
            (Some(Tok::Letter("C")), Some(Tok::Number(_))) => "choose",
            (Some(Tok::Letter("P")), Some(Tok::Number(_))) => "permutations",
            _ => return Ok(None),
        };
        if !adjacent(0) || !adjacent(1) {
            return Ok(None);
        }
        self.at += 1;
        let chosen = self.numeral()?;
        self.push(Node::Call(name, None, vec![total, chosen])).map(Some)
    }

    /// Adds further groups of three digits to `digits`.
    fn grouped(&mut self, first: &str, digits: &mut String) -> bool {
        if first.len() > 3 || first.contains('.') || first.starts_with('0') {
            return false;
        }
        let (start, mut style) = (self.at, None);
        while let Some((kind, length, group)) = self.next_group(style) {
            style = Some(kind);
            digits.push_str(group);
            self.at += length;
            if group.contains('.') {
                break;
            }
        }
        if style == Some(GroupStyle::Comma) {
            self.ambiguous_comma = true;
        }
        self.at > start
    }

    /// The separator here, if a group of exactly three digits follows it.
    fn next_group(&self, style: Option<GroupStyle>) -> Option<(GroupStyle, usize, &'a str)> {
        let (kind, length) = match (self.peek()?, self.tok(1), self.tok(2)) {
            (Tok::Open(Delim::Group), Some(Tok::Comma), Some(Tok::Close(Delim::Group))) => {
                (GroupStyle::Firm, 3)
            }
            (Tok::Comma, Some(Tok::Number(_)), _) => (self.comma_style(), 1),
            (Tok::Number(_), _, _) => (GroupStyle::Space, 0),
            _ => return None,
        };
        let allowed = match kind {
            GroupStyle::Comma => self.commas_group && self.brackets == 0 && !self.token(1)?.space,
            GroupStyle::Space => self.token(0)?.space && self.tok(1) != Some(Tok::Slash),
            GroupStyle::Firm => true,
        };
        let Some(Tok::Number(group)) = self.tok(length) else { return None };
        let whole = group.split('.').next().unwrap_or(group);
        let fits = whole.len() == 3 && style.is_none_or(|s| s == kind);
        (allowed && fits).then_some((kind, length + 1, group))
    }

    /// A comma with a negative space after it separates no list.
    fn comma_style(&self) -> GroupStyle {
        let gap = match (self.token(0), self.token(1)) {
            (Some(comma), Some(number)) => &self.text[comma.end..number.start],
            _ => "",
        };
        if gap.contains("\\!") { GroupStyle::Firm } else { GroupStyle::Comma }
    }

    /// `0.\overline{3}`, `0.(3)`, `0.333...`.
    fn repeating(&mut self, digits: &str) -> Result<Option<Rational>, Failure> {
        if !digits.contains('.') {
            return Ok(None);
        }
        let period = match (self.peek(), self.tok(1), self.tok(2), self.tok(3)) {
            (
                Some(Tok::Accent("bar" | "dot")),
                Some(Tok::Open(Delim::Group)),
                Some(Tok::Number(period)),
                Some(Tok::Close(Delim::Group)),
            ) => {
                self.at += 4;
                period
            }
            (
                Some(Tok::Open(Delim::Round)),
                Some(Tok::Number(period)),
                Some(Tok::Close(Delim::Round)),
                _,
            ) if !self.token(0).is_some_and(|t| t.space) => {
                self.at += 3;
                period
            }
            (Some(Tok::Accent("bar" | "dot")), Some(Tok::Number(period)), _, _) => {
                self.at += 2;
                period
            }
            (Some(Tok::Dots), _, _, _) => {
                let (head, period) = visible_period(digits).ok_or(Failure)?;
                self.at += 1;
                return repeat(head, period).map(Some).ok_or(Failure);
            }
            _ if digits.ends_with('.') => return Err(Failure),
            _ => return Ok(None),
        };
        repeat(digits, period).map(Some).ok_or(Failure)
    }

    /// `2.5e10`, adjacent throughout.
    fn scientific(&mut self, value: Rational) -> Result<(Rational, bool), Failure> {
        let adjacent = |ahead: usize| self.token(ahead).is_some_and(|t| !t.space);
        let letter = matches!(self.peek(), Some(Tok::Letter("e" | "E"))) && adjacent(0);
        let (negative, length) = match (self.tok(1), self.tok(2)) {
            (Some(Tok::Number(_)), _) => (false, 2),
            (Some(Tok::Minus), Some(Tok::Number(_))) if adjacent(2) => (true, 3),
            (Some(Tok::Plus), Some(Tok::Number(_))) if adjacent(2) => (false, 3),
            _ => return Ok((value, false)),
        };
        if !letter || !adjacent(1) {
            return Ok((value, false));
        }
        let Some(Tok::Number(exponent)) = self.tok(length - 1) else { return Err(Failure) };
        let exponent: u32 = exponent.parse().map_err(|_| Failure)?;
        if exponent > MAX_EXPONENT {
            return Err(Failure);
        }
        self.at += length;
        let power = BigInt::from(10).pow(exponent);
        let (n, d) = (value.numerator(), value.denominator());
        let scaled =
            if negative { Rational::ratio(n, d * power) } else { Rational::ratio(n * power, d) };
        Ok((scaled.ok_or(Failure)?, true))
    }

    /// A whole number with a proper fraction right behind it.
    fn mixed(&mut self, whole: Id) -> Parsed {
        let spaced = self.token(0).is_some_and(|t| t.space);
        let fraction = match (self.peek(), self.tok(1), self.tok(2)) {
            (Some(Tok::Vulgar(n, d)), _, _) => {
                self.at += 1;
                let value = Rational::small_ratio(n, d).ok_or(Failure)?;
                self.push(Node::Number { value, places: None, plain: false })?
            }
            (Some(Tok::Frac), _, _) => {
                let at = self.at;
                let (nodes, depths) = (self.ast.nodes.len(), self.depths.len());
                let fraction = self.atom()?;
                if !self.is_proper(fraction) {
                    self.at = at;
                    self.ast.nodes.truncate(nodes);
                    self.depths.truncate(depths);
                    return Ok(whole);
                }
                fraction
            }
            (Some(Tok::Number(_)), Some(Tok::Slash), Some(Tok::Number(_))) if spaced => {
                let top = self.numeral()?;
                self.at += 1;
                let bottom = self.numeral()?;
                let fraction = self.push(Node::Div(top, bottom))?;
                if !self.is_proper(fraction) {
                    return Err(Failure);
                }
                fraction
            }
            _ => return Ok(whole),
        };
        self.push(Node::Mixed(whole, fraction))
    }

    fn is_proper(&self, fraction: Id) -> bool {
        let Node::Div(top, bottom) = self.node(fraction) else { return false };
        match (self.node(*top), self.node(*bottom)) {
            (
                Node::Number { value: n, plain: true, .. },
                Node::Number { value: d, plain: true, .. },
            ) => n < d && !n.is_zero(),
            _ => false,
        }
    }

    /// `1011_2`, `2A_{16}`: digits and capital letters with a number as their subscript.
    pub(super) fn based(&mut self) -> Result<Option<Id>, Failure> {
        let (mut length, mut digit) = (0, false);
        loop {
            let Some(token) = self.token(length) else { return Ok(None) };
            if token.space && length > 0 {
                return Ok(None);
            }
            match token.tok {
                Tok::Number(text) if !text.contains('.') => digit = true,
                Tok::Letter(letter) if letter.as_bytes()[0].is_ascii_uppercase() => {}
                Tok::Underscore if length > 0 && digit => break,
                _ => return Ok(None),
            }
            length += 1;
            if length > 64 {
                return Ok(None);
            }
        }
        let (start, end) = match (self.token(0), self.token(length - 1)) {
            (Some(first), Some(last)) => (first.start, last.end),
            _ => return Ok(None),
        };
        let digits = self.text[start..end].to_owned();
        self.at += length + 1;
        let base = self.subscript_base()?;
        self.push(Node::BaseNumber { digits: digits.into(), base }).map(Some)
    }

    fn subscript_base(&mut self) -> Parsed {
        const WORDS: [&str; 15] = [
            "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
            "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
        ];
        let text = match (self.peek(), self.tok(1), self.tok(2)) {
            (Some(Tok::Text(words)), _, _) => Some((words, 1)),
            (
                Some(Tok::Open(Delim::Group)),
                Some(Tok::Text(words)),
                Some(Tok::Close(Delim::Group)),
            ) => Some((words, 3)),
            _ => None,
        };
        if let Some((words, length)) = text {
            let word = words.trim().trim_start_matches("base").trim();
            if let Some(base) = WORDS.iter().position(|known| word.eq_ignore_ascii_case(known)) {
                self.at += length;
                return self.integer(base as i64 + 2);
            }
        }
        self.argument()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupStyle {
    Comma,
    Space,
    /// `{,}` or `,\!`, which never separate a list.
    Firm,
}

/// The value of plain digits, and how many stand behind the point.
pub(crate) fn decimal(digits: &str) -> Option<(Rational, Option<u32>)> {
    let (whole, part) = match digits.split_once('.') {
        Some((whole, part)) => (whole, part),
        None => (digits, ""),
    };
    if part.is_empty() {
        if let Ok(small) = whole.parse::<i64>() {
            return Some((Rational::from_i64(small), None));
        }
        return Some((Rational::from_big(BigInt::from_str_radix(whole, 10).ok()?), None));
    }
    let places = u32::try_from(part.len()).ok()?;
    let digits = format!("{whole}{part}");
    let value = Rational::ratio(digits.parse().ok()?, BigInt::from(10).pow(places))?;
    Some((value, Some(places)))
}

/// `head` with `period` repeated for ever after it.
fn repeat(head: &str, period: &str) -> Option<Rational> {
    if period.is_empty() || period.len() > 200 || !period.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (whole, part) = head.split_once('.')?;
    let scale = BigInt::from(10).pow(u32::try_from(part.len()).ok()?);
    let nines = BigInt::from(10).pow(u32::try_from(period.len()).ok()?) - 1;
    let fixed: BigInt = format!("0{whole}{part}").parse().ok()?;
    let period: BigInt = period.parse().ok()?;
    Rational::ratio(fixed * &nines + period, scale * nines)
}

/// Splits `0.1666` before dots into `0.1` and `6`: the shortest period that is seen three times, or
/// twice if it is longer than two digits.
fn visible_period(digits: &str) -> Option<(&str, &str)> {
    let (_, part) = digits.split_once('.')?;
    for length in 1..=part.len() / 2 {
        let period = &part[part.len() - length..];
        let mut rest = part;
        let mut seen = 0;
        while let Some(shorter) = rest.strip_suffix(period) {
            rest = shorter;
            seen += 1;
        }
        if seen >= if length > 2 { 2 } else { 3 } {
            return Some((&digits[..digits.len() - seen * length], period));
        }
    }
    None
}
