//! Python methods on texts, lists and dicts.

use super::python;
use minijinja::value::{Tuple, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Methods that `minijinja-contrib` lacks, then its own.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str()
        && let Some(result) = text_method(text, method, args)
    {
        return result;
    }
    if method == "index" && value.as_str().is_none() {
        return index(value, args);
    }
    unknown_method_callback(state, value, method, args)
}

fn text_method(text: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    Some(match method {
        "strip" => strip(text, args, true, true),
        "lstrip" => strip(text, args, true, false),
        "rstrip" => strip(text, args, false, true),
        "removeprefix" => from_args(args)
            .map(|(prefix,): (&str,)| Value::from(text.strip_prefix(prefix).unwrap_or(text))),
        "removesuffix" => from_args(args)
            .map(|(suffix,): (&str,)| Value::from(text.strip_suffix(suffix).unwrap_or(text))),
        "partition" => from_args(args).map(|(separator,): (&str,)| {
            let (before, after) = text.split_once(separator).unwrap_or((text, ""));
            triple(before, &text[before.len()..text.len() - after.len()], after)
        }),
        "rpartition" => from_args(args).map(|(separator,): (&str,)| {
            let (before, after) = text.rsplit_once(separator).unwrap_or(("", text));
            triple(before, &text[before.len()..text.len() - after.len()], after)
        }),
        "rsplit" => rsplit(text, args),
        "casefold" => from_args(args).map(|()| Value::from(text.to_lowercase())),
        "swapcase" => from_args(args).map(|()| Value::from(swapped(text))),
        "index" => found(args, |part| text.find(part).map(|at| text[..at].chars().count())),
        "rindex" => found(args, |part| text.rfind(part).map(|at| text[..at].chars().count())),
        "center" => padded(text, args, Side::Both),
        "ljust" => padded(text, args, Side::Right),
        "rjust" => padded(text, args, Side::Left),
        "zfill" => from_args(args).map(|(width,): (usize,)| Value::from(zero_filled(text, width))),
        _ => return None,
    })
}

/// The `trim` filter.
pub(super) fn trim(value: &Value, chars: Option<Value>) -> Result<Value, Error> {
    let text = python::to_str(value);
    strip(&text, chars.as_slice(), true, true)
}

fn strip(text: &str, args: &[Value], start: bool, end: bool) -> Result<Value, Error> {
    let (chars,): (Option<&str>,) = from_args(args)?;
    let strips = |c: char| match chars {
        Some(chars) => chars.contains(c),
        // Python's white space has four control characters more than Unicode's.
        None => c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c),
    };
    let text = if start { text.trim_start_matches(strips) } else { text };
    Ok(Value::from(if end { text.trim_end_matches(strips) } else { text }))
}

fn triple(before: &str, separator: &str, after: &str) -> Value {
    Value::from(Tuple::from([before, separator, after].map(Value::from)))
}

fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, limit): (Option<&str>, Option<i64>) = from_args(args)?;
    let Some(separator) = separator.filter(|s| !s.is_empty()) else {
        return Err(Error::new(ErrorKind::InvalidOperation, "rsplit needs a separator"));
    };
    let pieces = match limit.and_then(|limit| usize::try_from(limit).ok()) {
        Some(limit) => text.rsplitn(limit.saturating_add(1), separator).collect::<Vec<_>>(),
        None => text.rsplit(separator).collect(),
    };
    Ok(pieces.into_iter().rev().map(Value::from).collect())
}

fn swapped(text: &str) -> String {
    let swap = |c: char| -> String {
        if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
    };
    text.chars().map(swap).collect()
}

/// `index` and `rindex`, in characters.
fn found(args: &[Value], find: impl Fn(&str) -> Option<usize>) -> Result<Value, Error> {
    let (part,): (&str,) = from_args(args)?;
    let place = find(part).map(Value::from);
    place.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "substring not found"))
}

/// Where padding goes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    Left,
    Right,
    Both,
}

fn padded(text: &str, args: &[Value], side: Side) -> Result<Value, Error> {
    let (width, fill): (usize, Option<&str>) = from_args(args)?;
    Ok(Value::from(pad(text, width, fill.unwrap_or(" "), side)))
}

/// Most characters that padding makes of a text: templates are other people's programs.
const MOST_PADDED: usize = 1 << 16;

pub(super) fn pad(text: &str, width: usize, fill: &str, side: Side) -> String {
    let length = text.chars().count();
    let missing = width.min(MOST_PADDED).saturating_sub(length);
    let left = match side {
        Side::Left => missing,
        Side::Right => 0,
        // Python puts the odd one on the left where the width is odd.
        Side::Both => missing / 2 + (missing & width & 1),
    };
    fill.repeat(left) + text + &fill.repeat(missing - left)
}

fn zero_filled(text: &str, width: usize) -> String {
    let sign = text.len() - text.strip_prefix(['+', '-']).unwrap_or(text).len();
    let (sign, digits) = text.split_at(sign);
    sign.to_owned() + &pad(digits, width.saturating_sub(sign.len()), "0", Side::Left)
}

fn index(value: &Value, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (&Value,) = from_args(args)?;
    match value.try_iter()?.position(|item| item == *wanted) {
        Some(place) => Ok(Value::from(place)),
        None => Err(Error::new(ErrorKind::InvalidOperation, "index: the value is not in the list")),
    }
}
