//! Python methods on texts, lists and dicts.

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
        _ => return None,
    })
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

fn index(value: &Value, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (&Value,) = from_args(args)?;
    match value.try_iter()?.position(|item| item == *wanted) {
        Some(place) => Ok(Value::from(place)),
        None => Err(Error::new(ErrorKind::InvalidOperation, "index: the value is not in the list")),
    }
}
