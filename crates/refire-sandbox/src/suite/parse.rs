//! Reading a suite. An enum tagged by a field is read into a buffer first, which can't hold raw JSON
//! text; so the kind is read apart, and the rest as what it is.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use super::{Call, StdioCase, Suite, Tolerance};
use crate::Comparator;

#[derive(serde::Deserialize)]
struct Kind<'a> {
    kind: std::borrow::Cow<'a, str>,
}

#[derive(serde::Deserialize)]
struct Check {
    entry_point: String,
    test: String,
    #[serde(default)]
    prelude: String,
}

#[derive(serde::Deserialize)]
struct Asserts {
    tests: Vec<String>,
    #[serde(default)]
    prelude: String,
}

#[derive(serde::Deserialize)]
struct Calls {
    entry_point: String,
    cases: Vec<Call>,
    #[serde(default)]
    tolerance: Tolerance,
}

#[derive(serde::Deserialize)]
struct Stdio {
    cases: Vec<StdioCase>,
    #[serde(default)]
    comparator: Comparator,
}

#[derive(serde::Deserialize)]
struct Unittest {
    test: String,
    #[serde(default = "solution")]
    module: String,
}

#[derive(serde::Deserialize)]
struct InProcess {
    test: String,
}

fn solution() -> String {
    "solution".to_owned()
}

impl<'de> Deserialize<'de> for Suite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        read(raw.get()).map_err(D::Error::custom)
    }
}

fn read(text: &str) -> serde_json::Result<Suite> {
    let from = serde_json::from_str::<Kind<'_>>;
    Ok(match &*from(text)?.kind {
        "check" => {
            let Check { entry_point, test, prelude } = serde_json::from_str(text)?;
            Suite::Check { entry_point, test, prelude }
        }
        "asserts" => {
            let Asserts { tests, prelude } = serde_json::from_str(text)?;
            Suite::Asserts { tests, prelude }
        }
        "calls" => {
            let Calls { entry_point, cases, tolerance } = serde_json::from_str(text)?;
            Suite::Calls { entry_point, cases, tolerance }
        }
        "stdio" => {
            let Stdio { cases, comparator } = serde_json::from_str(text)?;
            Suite::Stdio { cases, comparator }
        }
        "unittest" => {
            let Unittest { test, module } = serde_json::from_str(text)?;
            Suite::Unittest { test, module }
        }
        "in_process" => {
            let InProcess { test } = serde_json::from_str(text)?;
            Suite::InProcess { test }
        }
        other => {
            let known = "check, asserts, calls, stdio, unittest or in_process";
            let message = format!("a suite of kind `{other}`, expected {known}");
            return Err(serde_json::Error::custom(message));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in [
            r#"{"kind":"check","entry_point":"f","test":"t","prelude":""}"#,
            r#"{"kind":"asserts","tests":["t"],"prelude":"p"}"#,
            r#"{"kind":"calls","entry_point":"f","cases":[{"args":[123456789012345678901234567890],"expected":1.0}],"tolerance":{"absolute":0.0,"relative":0.0}}"#,
            r#"{"kind":"stdio","cases":[{"input":"i","output":"o"}],"comparator":{"kind":"tokens"}}"#,
            r#"{"kind":"unittest","test":"t","module":"m"}"#,
            r#"{"kind":"in_process","test":"t"}"#,
        ] {
            let suite: Suite = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&suite).unwrap(), text);
        }
    }

    #[test]
    fn names_what_it_does_not_know() {
        let error = serde_json::from_str::<Suite>(r#"{"kind": "x"}"#).unwrap_err().to_string();
        assert!(error.contains("`x`") && error.contains("unittest"), "{error}");
        assert!(serde_json::from_str::<Suite>("{}").is_err());
    }
}
