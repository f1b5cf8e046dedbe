use std::borrow::Cow;

use serde_json::Value;

/// The JSON text of a suite, as its author wrote it.
///
/// # Errors
/// When numbers of a call may have been rounded on their way here. Without the sender's text nobody
/// can tell an integer of more than 64 bits from the number next to it.
pub(super) fn text_of(tests: &Value) -> Result<Cow<'_, str>, String> {
    if let Value::String(text) = tests {
        return Ok(Cow::Borrowed(text));
    }
    if let (Some("calls"), Some(number)) = (tests["kind"].as_str(), rounded(&tests["cases"])) {
        return Err(format!(
            "the prompt's `tests` have the number {number}, which an object can't hold exactly: \
             give `tests` as the text of the object"
        ));
    }
    Ok(Cow::Owned(tests.to_string()))
}

/// The first number beyond the integers that a [`Value`] keeps exact.
fn rounded(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            number.as_f64().filter(|number| number.abs() >= 2_f64.powi(63))
        }
        Value::Array(items) => items.iter().find_map(rounded),
        Value::Object(fields) => fields.values().find_map(rounded),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text_of(&serde_json::from_str(text).unwrap_or(Value::Null)).map(Cow::into_owned)
    }

    #[test]
    fn text_stays_what_it_was() {
        let inner = r#"{"kind":"calls","cases":[{"args":[36893488147419103233]}]}"#;
        assert_eq!(text_of(&Value::String(inner.to_owned())).as_deref(), Ok(inner));
    }

    #[test]
    fn objects_hold_what_fits() {
        for fits in ["18446744073709551615", "-9223372036854775808", "0.1", "-1.5e+18", "\"1e99\""]
        {
            let text = format!(r#"{{"kind":"calls","cases":[{{"args":[{fits}]}}]}}"#);
            assert_eq!(read(&text), Ok(text));
        }
        for large in ["18446744073709551616", "-9223372036854775809", "1e30"] {
            let text = format!(r#"{{"kind":"calls","cases":[{{"args":[{{"a":{large}}}]}}]}}"#);
            assert!(read(&text).is_err(), "{large}");
        }
        // No numbers that matter.
        assert!(read(r#"{"kind":"check","cases":[1e30]}"#).is_ok());
    }
}
