//! One answer, read once: its normalised text and its value.

use crate::fuel::{Fuel, Stop};
use crate::syntax::{self, Syntax};
use crate::unit;
use crate::value::{Reader, Scalar, Value};
use crate::{ChainRule, Fault, Profile, Tier, wrapper};

/// What a text means.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// The text without what surrounds it.
    pub(crate) text: String,
    /// The text without idle white space and typefaces.
    pub(crate) key: String,
    pub(crate) value: Result<Value, Unread>,
    /// The value with bare commas as separators of lists, where that is another one.
    pub(crate) listed: Option<Value>,
}

/// Where the text of an answer stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// In a box.
    Formula,
    /// In prose, or by itself.
    Plain,
}

impl Source {
    pub(crate) fn of(tier: Option<Tier>) -> Self {
        if tier == Some(Tier::Boxed) { Self::Formula } else { Self::Plain }
    }
}

/// Why an answer has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    Unreadable,
    Stopped(Stop),
}

impl Reading {
    pub(crate) fn new(raw: &str, source: Source, profile: &Profile) -> Result<Self, Fault> {
        if raw.len() > profile.limits.max_answer_bytes {
            return Err(Fault::TooLong);
        }
        let list = wrapper::boxes(raw);
        let bare = wrapper::unwrap(list.as_deref().unwrap_or(raw));
        // In formulas a comma separates, in plain text it may be a decimal point.
        let decimal = if profile.decimal_comma && source == Source::Plain {
            decimal_comma(raw)
        } else {
            None
        };
        let bare = decimal.as_deref().unwrap_or(bare);
        if bare.is_empty() {
            return Err(Fault::Empty);
        }
        let key = wrapper::key(bare);
        let fuel = Fuel::new(profile.limits.max_steps);
        let mut listed = None;
        let value = match read(bare, profile, &fuel) {
            Ok((value, syntax)) => {
                if syntax.is_some_and(|syntax| syntax.ambiguous_comma) {
                    listed = parsed(bare, false, &fuel).ok().map(|(value, _)| value);
                }
                Ok(value)
            }
            Err(unread) => Err(unread),
        };
        Ok(Self { text: bare.to_owned(), key, value, listed })
    }

    /// Why there is no value.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.value {
            Ok(_) => None,
            Err(Unread::Stopped(Stop::Fuel | Stop::TooBig)) => Some(Fault::TooLarge),
            Err(_) => Some(Fault::Unreadable),
        }
    }
}

type Read = Result<(Value, Option<Syntax>), Unread>;

fn read(text: &str, profile: &Profile, fuel: &Fuel) -> Read {
    if let Some(choice) = choice(text, fuel) {
        return Ok((choice, None));
    }
    match parsed(text, true, fuel) {
        Ok((value, syntax)) => Ok((value, Some(syntax))),
        Err(Unread::Unreadable) => words(text).map(|value| (value, None)).or_else(|unread| {
            let end = (profile.chains == ChainRule::LastSide).then(|| last_side(text)).flatten();
            end.map_or(Err(unread), |end| parsed(end, true, fuel).map(|(value, _)| (value, None)))
        }),
        Err(unread) => words(text).map(|value| (value, None)).map_err(|_| unread),
    }
}

fn parsed(text: &str, commas_group: bool, fuel: &Fuel) -> Result<(Value, Syntax), Unread> {
    let syntax = syntax::parse(text, commas_group).map_err(|_| Unread::Unreadable)?;
    fuel.spend(syntax.ast.nodes.len() as u64).map_err(Unread::Stopped)?;
    let value = Reader::new(&syntax.ast, fuel).value(syntax.root).map_err(Unread::Stopped)?;
    Ok((value, syntax))
}

/// `(A)`, `A.`, `A) 5`, `\textbf{(B)} 12`: a letter that is marked as an option.
fn choice(text: &str, fuel: &Fuel) -> Option<Value> {
    let flat = wrapper::without_text_commands(text);
    let flat = flat.trim();
    let (letter, rest) = match flat.strip_prefix('(') {
        Some(inside) => {
            let (letter, rest) = inside.trim_start().split_at_checked(1)?;
            (letter, rest.trim_start().strip_prefix(')')?)
        }
        None => {
            let (letter, rest) = flat.split_at_checked(1)?;
            (
                letter,
                rest.strip_prefix(')')
                    .or_else(|| rest.strip_prefix(". ").filter(|r| !r.trim().is_empty()))?,
            )
        }
    };
    let letter = letter.chars().next().filter(char::is_ascii_alphabetic)?;
    if !letter.is_ascii_uppercase() && !rest.trim().is_empty()
        || !('a'..='j').contains(&letter.to_ascii_lowercase())
    {
        return None;
    }
    let rest = rest.trim().trim_start_matches([':', '.']).trim();
    if rest.is_empty() {
        return Some(Value::Choice(letter, None));
    }
    if rest.starts_with(['+', '-', '*', '/', '^', '=', '(', '_', ',']) || rest.starts_with("\\cdot")
    {
        return None;
    }
    let option = match parsed(rest, true, fuel) {
        Ok((value, _)) => Some(value),
        Err(_) => words(rest).ok(),
    };
    Some(Value::Choice(letter, Some(Box::new(option?))))
}

/// What follows the last of several equality signs, for chains that can't be read.
fn last_side(text: &str) -> Option<&str> {
    let (chain, end) = text.rsplit_once('=')?;
    (chain.contains('=') && !text.contains([',', ';'])).then_some(end)
}

/// Nothing but words; digits may stand among them, as in a date.
fn words(text: &str) -> Result<Value, Unread> {
    let flat = wrapper::without_text_commands(text);
    let wordy = flat.chars().all(|c| {
        c.is_alphanumeric()
            || c.is_whitespace()
            || matches!(c, '\'' | '-' | ',' | '.' | '!' | '?' | ':' | ';' | '"' | '’' | '&')
    });
    let found = unit::words(&flat);
    let named = found.iter().any(|word| word.len() > 1 && word.chars().all(char::is_alphabetic));
    let digits = flat.bytes().any(|b| b.is_ascii_digit());
    if wordy && !found.is_empty() && (named || !digits) {
        Ok(Value::Text(found))
    } else {
        Err(Unread::Unreadable)
    }
}

/// `1,22`, `0,111` and `1000,99`, but not `1,000`.
fn decimal_comma(text: &str) -> Option<String> {
    let (whole, places) = text.split_once(',')?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole.trim_start_matches('-')) || !digits(places) {
        return None;
    }
    let thousands = places.len() == 3 && whole.len() <= 3 && !whole.starts_with('0');
    (!thousands).then(|| format!("{whole}.{places}"))
}

impl Scalar {
    /// Whether nothing is written around the number.
    pub(crate) fn is_bare(&self) -> bool {
        self.unit.is_none() && !self.percent
    }
}
