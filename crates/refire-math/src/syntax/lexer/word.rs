//! Runs of letters: names that mean something, products of single letters.

use super::Lexer;
use crate::syntax::NamedSet;
use crate::syntax::command::function;
use crate::syntax::token::Tok;

impl<'a> Lexer<'a> {
    pub(super) fn word(&mut self) {
        let rest = self.rest();
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = &rest[..length];
        let first = self.tokens.len();
        if let Some(tok) = special_word(word) {
            self.push(tok, length);
        } else if let Some(connective) = self.glued_connective(word) {
            self.push(if connective == 2 { Tok::Or } else { Tok::And }, connective);
            self.letters(&word[connective..]);
        } else {
            self.letters(word);
        }
        self.tokens[first].word = word;
    }

    /// The length of `or` or `and` between a value and a letter: `1orx=2`.
    fn glued_connective(&self, word: &str) -> Option<usize> {
        let after =
            self.tokens.last().is_some_and(|t| matches!(t.tok, Tok::Number(_) | Tok::Close(_)));
        let rest = word.strip_prefix("or").or_else(|| word.strip_prefix("and"))?;
        (after && !self.space && rest.len() == 1).then(|| word.len() - rest.len())
    }

    /// Single letters, with the names of functions among them kept whole: `xsinx` is `x sin x`.
    fn letters(&mut self, word: &'a str) {
        const INNER: [&str; 12] = [
            "arcsin", "arccos", "arctan", "sqrt", "sin", "cos", "tan", "cot", "log", "exp", "ln",
            "pi",
        ];
        let inner_at = |rest: &str| INNER.iter().find(|name| rest.starts_with(**name)).copied();
        let named = is_product(word, inner_at);
        let mut at = 0;
        while at < word.len() {
            let rest = &word[at..];
            let inner = inner_at(rest).filter(|_| named);
            match inner.and_then(|name| Some((name.len(), special_word(name)?))) {
                Some((length, tok)) => {
                    self.push(tok, length);
                    at += length;
                }
                None => {
                    self.push(Tok::Letter(&rest[..1]), 1);
                    at += 1;
                }
            }
        }
    }
}

/// Whether a run of letters is made of functions with at most one letter between them, so that
/// `xsinx` is a product and `since` is a word.
fn is_product(word: &str, inner_at: impl Fn(&str) -> Option<&'static str>) -> bool {
    let (mut at, mut loose) = (0, 0);
    while at < word.len() && loose < 2 {
        match inner_at(&word[at..]) {
            Some(name) => {
                at += name.len();
                loose = 0;
            }
            None => {
                at += 1;
                loose += 1;
            }
        }
    }
    loose < 2
}

/// Words that mean something wherever they stand.
pub(super) fn special_word(word: &str) -> Option<Tok<'static>> {
    let tok = match word {
        "and" | "And" | "AND" => Tok::And,
        "or" | "Or" | "OR" => Tok::Or,
        "sqrt" => Tok::Sqrt,
        "pi" => Tok::Pi,
        "inf" | "infinity" | "Infinity" | "infty" | "oo" => Tok::Infinity,
        "mod" => Tok::Mod,
        "percent" | "percentage" | "pct" | "Percent" => Tok::Percent,
        "degree" | "degrees" | "Degrees" => Tok::Degree,
        "theta" => Tok::Letter("theta"),
        "alpha" => Tok::Letter("alpha"),
        "beta" => Tok::Letter("beta"),
        "lambda" => Tok::Letter("lambda"),
        "emptyset" => Tok::Named(NamedSet::Empty),
        _ => return function(word).map(Tok::Function),
    };
    Some(tok)
}
