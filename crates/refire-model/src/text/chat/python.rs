//! How Python writes values as text.

use minijinja::Value;
use minijinja::value::ValueKind;

/// `str(value)`.
pub(super) fn to_str(value: &Value) -> String {
    match value.kind() {
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable | ValueKind::Number => repr(value),
        _ => value.to_string(),
    }
}

/// `repr(value)`; what can't be listed is written as the template engine does.
fn repr(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => quote(value.as_str().unwrap_or_default()),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(number) => float(number),
            Err(_) => value.to_string(),
        },
        ValueKind::Map => match value.try_iter() {
            Ok(keys) => {
                let pairs = keys.map(|key| {
                    let item = value.get_item(&key).unwrap_or_default();
                    format!("{}: {}", repr(&key), repr(&item))
                });
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
            Err(_) => value.to_string(),
        },
        ValueKind::Seq | ValueKind::Iterable => match value.try_iter() {
            Ok(items) => {
                let items: Vec<String> = items.map(|item| repr(&item)).collect();
                match (value.is_tuple(), items.as_slice()) {
                    (true, [one]) => format!("({one},)"),
                    (true, _) => format!("({})", items.join(", ")),
                    (false, _) => format!("[{}]", items.join(", ")),
                }
            }
            Err(_) => value.to_string(),
        },
        _ => value.to_string(),
    }
}

/// A float as Python writes it: shortest digits, exponents from 1e16 on and below 1e-4.
pub(super) fn float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .into();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = number.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn quote(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if printable(c) => out.push(c),
            c => out.push_str(&match c as u32 {
                code @ ..0x100 => format!("\\x{code:02x}"),
                code @ ..0x1_0000 => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    out.push(quote);
    out
}

/// Python's `str.isprintable`, but for code points that no character has.
fn printable(c: char) -> bool {
    let formats = matches!(c as u32, 0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x8e2
        | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb
        | 0xe0001..=0xe007f);
    let private = matches!(c as u32, 0xe000..=0xf8ff | 0xf_0000..);
    c == ' ' || !(c.is_whitespace() || c.is_control() || formats || private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_python_writes_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1e100, "1e+100"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (number, text) in cases {
            assert_eq!(float(number), text);
        }
    }

    #[test]
    fn containers_as_python_writes_them() {
        let json = r#"{"a": [1, 2.0, null, true, "it's", "\"q\" 'q'"], "é\n": {}}"#;
        let value: Value = serde_json::from_str(json).unwrap();
        let text = r#"{'a': [1, 2.0, None, True, "it's", '"q" \'q\''], 'é\n': {}}"#;
        assert_eq!(to_str(&value), text);
        assert_eq!(to_str(&Value::from("it's")), "it's");
        let hidden = Value::from(vec!["\u{a0} \u{200b}\u{1f600}\u{e0041}"]);
        assert_eq!(to_str(&hidden), "['\\xa0 \\u200b\u{1f600}\\U000e0041']");
    }
}
