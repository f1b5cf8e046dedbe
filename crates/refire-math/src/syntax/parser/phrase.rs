//! Words: the unit behind an amount, or a whole answer in prose.

use super::Parser;
use crate::syntax::token::{Delim, Tok};
use crate::unit;

/// Longest phrase, in tokens.
const MAX_PHRASE: usize = 60;

impl<'a> Parser<'a> {
    /// The words of a unit that take up the rest of the statement, and their length in tokens.
    pub(super) fn unit_ahead(&self) -> Option<(usize, &'a str)> {
        let first = self.token(0)?;
        let words = match first.tok {
            Tok::Text(words) => words,
            Tok::Letter(_) if first.word.len() > 1 => first.word,
            _ => return None,
        };
        let bare = !matches!(first.tok, Tok::Text(_));
        let half = crate::value::Time::half(words).is_some();
        if bare
            && !half
            && !(unit::is_known(words) || (words.len() > 2 && (first.space || words.len() > 4)))
        {
            return None;
        }
        let (length, end) = self.phrase()?;
        // A single command of words may have had an `and` at its end.
        let text = if length == 1 { words } else { &self.text[first.start..end] };
        Some((length, text.trim()))
    }

    /// The statement that starts here, if it is nothing but words.
    pub(super) fn words_to_the_end(&self) -> Option<(usize, &'a str)> {
        let first = self.token(0)?;
        let wordy = match first.tok {
            Tok::Letter(_) => {
                first.word.len() > 2
                    || (!first.word.is_empty() && self.next_is_word(first.word.len()))
            }
            Tok::Text(words) => {
                let words = words.trim();
                words.len() > 1 && !words.bytes().any(|b| b.is_ascii_digit())
            }
            _ => false,
        };
        if !wordy {
            return None;
        }
        let (length, end) = self.phrase()?;
        if matches!(first.tok, Tok::Text(_)) && length == 1 {
            return None;
        }
        Some((length, self.text[first.start..end].trim()))
    }

    fn next_is_word(&self, ahead: usize) -> bool {
        self.token(ahead)
            .is_some_and(|t| matches!(t.tok, Tok::Letter(_)) && t.space && t.word.len() > 2)
    }

    /// Whether the words up to here are a unit that is known.
    fn measures(&self, length: usize) -> bool {
        match (self.token(0), self.token(length - 1)) {
            (Some(first), Some(last)) => {
                matches!(
                    unit::Unit::parse(&self.text[first.start..last.end]),
                    unit::Unit::Measure { .. }
                )
            }
            _ => false,
        }
    }

    /// The length of the words from here to the end of the statement, and where they end.
    fn phrase(&self) -> Option<(usize, usize)> {
        let mut length = 0;
        let mut end = 0;
        let mut exponent = false;
        while !self.statement_ends(length) {
            let token = self.token(length)?;
            if matches!(token.tok, Tok::Number(_))
                && !exponent
                && length > 0
                && self.measures(length)
            {
                // `5 feet 3 inches`: the next part of the same amount.
                break;
            }
            let fits = match token.tok {
                Tok::Letter(_) => {
                    token.word.is_empty() || token.tok != Tok::Letter("e") || token.word.len() > 1
                }
                Tok::Text(words) => !words.bytes().any(|b| b.is_ascii_digit()),
                Tok::Slash | Tok::Minus | Tok::Prime => length > 0,
                Tok::Times => length > 0,
                Tok::Caret => length > 0,
                Tok::Super(_) => length > 0,
                Tok::Number(_) => exponent,
                Tok::Open(Delim::Group) => exponent,
                Tok::Function(_) | Tok::Degree | Tok::Pi | Tok::Mod | Tok::Sqrt | Tok::Infinity => {
                    // Words that happen to name functions, as in `12 min`.
                    !token.word.is_empty() && length == 0 || token.space && !token.word.is_empty()
                }
                _ => false,
            };
            if !fits || length > MAX_PHRASE {
                return None;
            }
            if matches!(token.tok, Tok::Open(Delim::Group)) {
                let negative = usize::from(self.tok(length + 1) == Some(Tok::Minus));
                let number = matches!(self.tok(length + 1 + negative), Some(Tok::Number(_)));
                let closed = self.tok(length + 2 + negative) == Some(Tok::Close(Delim::Group));
                if !number || !closed {
                    return None;
                }
                length += 2 + negative;
            }
            exponent = token.tok == Tok::Caret || (exponent && token.tok == Tok::Minus);
            end = self.token(length)?.end;
            length += 1;
        }
        (length > 0).then_some((length, end))
    }
}
