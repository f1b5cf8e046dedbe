//! Rows of submissions, in the spellings they come in.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use refire::sandbox::{Call, Cpp, Job, Language, Python3, Suite, Tolerance};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What must happen to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It must pass.
    Pass,
    /// It must not.
    NoPass,
}

/// A submission.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name.
    pub id: String,
    /// What to run.
    pub job: Job,
    /// What must happen, if the row says so.
    pub expected: Option<Expected>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default = "python")]
    language: String,
    program: String,
    tests: Box<RawValue>,
    expected: Option<String>,
}

fn python() -> String {
    "python".to_owned()
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// HumanEval's `check(candidate)`, or MBPP's list of statements.
#[derive(Deserialize)]
struct Assert {
    #[serde(default)]
    entry_point: String,
    #[serde(default)]
    test: String,
    #[serde(default, alias = "test_list")]
    tests: Vec<String>,
    #[serde(default, alias = "setup", alias = "test_setup_code", alias = "prompt")]
    prelude: String,
}

#[derive(Deserialize)]
struct Calls {
    #[serde(alias = "fn_name")]
    entry_point: String,
    cases: Vec<CallRow>,
    #[serde(default)]
    tolerance: Tolerance,
}

#[derive(Deserialize)]
struct CallRow {
    #[serde(alias = "input", alias = "inputs")]
    args: Box<RawValue>,
    #[serde(alias = "output")]
    expected: Box<RawValue>,
}

/// Reads every row.
///
/// # Errors
/// Naming the line that can't be read.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let at = |e: Box<dyn Error>| format!("{}:{}: {e}", path.display(), number + 1);
            parse(line).map_err(at).map_err(Into::into)
        })
        .collect()
}

fn parse(line: &str) -> Result<Row, Box<dyn Error>> {
    // A lone surrogate is no character; Python would refuse a source with one.
    let parsed = serde_json::from_str(line)
        .or_else(|error| serde_json::from_str(&without_surrogates(line)).map_err(|_| error));
    let line: Line = parsed?;
    let language: Arc<dyn Language> = match line.language.as_str() {
        "python" | "python3" => Arc::new(Python3),
        "cpp" | "c++" => Arc::new(Cpp::default()),
        other => return Err(format!("language `{other}` is not known").into()),
    };
    let expected = match line.expected.as_deref() {
        None => None,
        Some("must_pass") => Some(Expected::Pass),
        Some("must_score_zero" | "must_be_killed" | "must_not_leak") => Some(Expected::NoPass),
        Some(other) => return Err(format!("expectation `{other}` is not known").into()),
    };
    let job = Job { language, ..Job::new(line.program, suite(line.tests.get())?) };
    Ok(Row { id: line.id, job, expected })
}

/// A suite as the library spells it, or in the two spellings of data sets.
fn suite(text: &str) -> Result<Suite, serde_json::Error> {
    let kind: Kind = serde_json::from_str(text)?;
    match kind.kind.as_str() {
        "assert" => {
            let Assert { entry_point, test, tests, prelude } = serde_json::from_str(text)?;
            Ok(if tests.is_empty() && test.contains("def check") {
                Suite::Check { entry_point, test, prelude }
            } else {
                let tests = if tests.is_empty() { vec![test] } else { tests };
                Suite::Asserts { tests, prelude }
            })
        }
        "call" | "calls" => {
            let Calls { entry_point, cases, tolerance } = serde_json::from_str(text)?;
            let call = |row: CallRow| Call { args: row.args, expected: row.expected };
            let cases = cases.into_iter().map(call).collect();
            Ok(Suite::Calls { entry_point, cases, tolerance })
        }
        _ => serde_json::from_str(text),
    }
}

/// Replaces escapes of surrogates that have no partner.
fn without_surrogates(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let code = |text: &str| u32::from_str_radix(text.get(2..6)?, 16).ok();
        let is_u = |text: &str| text.starts_with("\\u");
        let (keep, lone) = match code(escape).filter(|_| is_u(escape)) {
            Some(0xd800..=0xdbff) => {
                let next = escape.get(6..).unwrap_or_default();
                let pair = is_u(next) && matches!(code(next), Some(0xdc00..=0xdfff));
                if pair { (12, false) } else { (6, true) }
            }
            Some(0xdc00..=0xdfff) => (6, true),
            _ => (2, false),
        };
        let end = keep.min(escape.len());
        let end = (end..=escape.len()).find(|end| escape.is_char_boundary(*end)).unwrap_or(end);
        out.push_str(if lone { "\\ufffd" } else { &escape[..end] });
        rest = &escape[end..];
    }
    out + rest
}
