//! Python's `json.dumps`, which the `tojson` filter of chat templates is.

use super::python;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::fmt::Write;

/// Deepest nesting written; Python stops near 1000.
const MAX_DEPTH: usize = 512;

/// The arguments of `json.dumps` that templates may set, with transformers' defaults.
pub(super) struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

impl Style {
    /// Arguments by place (`ensure_ascii`, `indent`, `separators`, `sort_keys`) or by name.
    pub(super) fn new(args: &[Value], kwargs: &Kwargs) -> Result<Self, Error> {
        let argument = |place: usize, name: &str| -> Result<Option<Value>, Error> {
            let value = match args.get(place) {
                Some(value) => Some(value.clone()),
                None => kwargs.get::<Option<Value>>(name)?,
            };
            Ok(value.filter(|value| !value.is_none()))
        };
        if args.len() > 4 {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
        let ensure_ascii = flag(argument(0, "ensure_ascii")?);
        let indent = argument(1, "indent")?.map(indent).transpose()?;
        let separators = argument(2, "separators")?.map(separators).transpose()?;
        let sort_keys = flag(argument(3, "sort_keys")?);
        let item = if indent.is_some() { "," } else { ", " };
        let (item_separator, key_separator) =
            separators.unwrap_or_else(|| (item.to_owned(), ": ".to_owned()));
        Ok(Self { ensure_ascii, indent, item_separator, key_separator, sort_keys })
    }
}

fn indent(value: Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Ok(" ".repeat(i64::try_from(value)?.clamp(0, 64) as usize)),
    }
}

fn separators(value: Value) -> Result<(String, String), Error> {
    let parts: Vec<Value> = value.try_iter()?.collect();
    match parts.as_slice() {
        [item, key] => Ok((item.to_string(), key.to_string())),
        _ => Err(invalid("tojson: separators are two texts".to_owned())),
    }
}

/// `value` as JSON.
pub(super) fn dumps(value: &Value, style: &Style) -> Result<String, Error> {
    let mut out = String::new();
    emit(value, style, 0, &mut out)?;
    Ok(out)
}

fn emit(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(invalid(format!("tojson: more than {MAX_DEPTH} levels")));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number(value)?),
        ValueKind::String => quote(value.as_str().unwrap_or_default(), style.ensure_ascii, out),
        ValueKind::Map => map(value, style, depth, out)?,
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            container(['[', ']'], &items, style, depth, out, |item, out| {
                emit(item, style, depth + 1, out)
            })?;
        }
        kind => return Err(invalid(format!("tojson: a value of type {kind} has no JSON form"))),
    }
    Ok(())
}

fn map(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    let mut keys: Vec<Value> = value.try_iter()?.collect();
    if style.sort_keys {
        keys.sort();
    }
    container(['{', '}'], &keys, style, depth, out, |name, out| {
        quote(&key(name)?, style.ensure_ascii, out);
        out.push_str(&style.key_separator);
        emit(&value.get_item(name)?, style, depth + 1, out)
    })
}

/// Items between brackets, each on its own line when there is an indent.
fn container(
    [open, close]: [char; 2],
    items: &[Value],
    style: &Style,
    depth: usize,
    out: &mut String,
    mut item: impl FnMut(&Value, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let new_line = |depth: usize, out: &mut String| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    };
    out.push(open);
    for (index, value) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(&style.item_separator);
        }
        new_line(depth + 1, out);
        item(value, out)?;
    }
    if !items.is_empty() {
        new_line(depth, out);
    }
    out.push(close);
    Ok(())
}

fn key(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => number(value),
        kind => Err(invalid(format!("tojson: a key can't be of type {kind}"))),
    }
}

fn number(value: &Value) -> Result<String, Error> {
    if value.is_integer() {
        return Ok(value.to_string());
    }
    let number = f64::try_from(value.clone())?;
    Ok(if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        python::float(number)
    })
}

fn quote(text: &str, ensure_ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ensure_ascii && c > '~') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
