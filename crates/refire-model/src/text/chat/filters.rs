//! Jinja's filters and functions where minijinja has none, or one that behaves otherwise.

use super::methods::{Side, pad};
use super::python;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// `int(default=0)`: the default where the value is no number.
pub(super) fn int(value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = default(&args, &kwargs, Value::from(0))?;
    let parsed = match value.as_str().map(str::trim) {
        Some(text) => {
            let plain = text.replace('_', "");
            let whole = plain.parse::<i128>().ok().map(Value::from);
            whole.or_else(|| plain.parse::<f64>().ok().and_then(truncated))
        }
        None if value.is_integer() => Some(value.clone()),
        None => f64::try_from(value.clone()).ok().and_then(truncated),
    };
    Ok(parsed.unwrap_or(default))
}

/// A float without its fraction.
fn truncated(number: f64) -> Option<Value> {
    number.is_finite().then(|| Value::from(number.trunc() as i128))
}

/// `float(default=0.0)`: the default where the value is no number.
pub(super) fn float(value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = default(&args, &kwargs, Value::from(0.0))?;
    let parsed = match value.as_str() {
        Some(text) => text.trim().replace('_', "").parse::<f64>().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    Ok(parsed.map_or(default, Value::from))
}

fn default(args: &[Value], kwargs: &Kwargs, otherwise: Value) -> Result<Value, Error> {
    let named = kwargs.get::<Option<Value>>("default")?;
    kwargs.assert_all_used()?;
    Ok(args.first().cloned().or(named).unwrap_or(otherwise))
}

/// `center(width=80)`.
pub(super) fn center(value: &Value, width: Option<usize>) -> String {
    pad(&python::to_str(value), width.unwrap_or(80), " ", Side::Both)
}

/// `wordcount`: runs of letters, digits and underscores.
pub(super) fn wordcount(value: &Value) -> usize {
    let text = python::to_str(value);
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).count()
}

/// Python's `dict`: of a mapping, of pairs, of keywords.
pub(super) fn dict(value: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    if let Some(value) = value {
        let mapping = value.kind() == ValueKind::Map;
        for item in value.try_iter()? {
            if mapping {
                pairs.push((item.clone(), value.get_item(&item)?));
                continue;
            }
            let parts: Vec<Value> = item.try_iter()?.collect();
            let [key, value] = parts.as_slice() else {
                return Err(Error::new(ErrorKind::InvalidOperation, "dict: expected pairs"));
            };
            pairs.push((key.clone(), value.clone()));
        }
    }
    for name in kwargs.args() {
        pairs.push((Value::from(name), kwargs.get(name)?));
    }
    Ok(Value::from_pairs(pairs))
}
