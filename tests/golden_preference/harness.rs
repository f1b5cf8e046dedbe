//! Runs every case of every reference file and counts: passed, failed, excepted, skipped.
//!
//! A case's fields remember whether somebody read them: one that nobody knows fails its case, so a
//! new option can't be ignored in silence.
#![allow(dead_code, reason = "several tests share this, each uses its part")]

use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is wrong with a case.
pub(crate) type Problem = String;

/// Checks one case.
pub(crate) type Driver = fn(&Case) -> Result<(), Problem>;

/// Named values of a case.
#[derive(Debug)]
pub(crate) struct Fields {
    what: &'static str,
    values: Map<String, Value>,
    read: RefCell<BTreeSet<String>>,
}

impl Fields {
    fn of(what: &'static str, case: &Value) -> Self {
        let values = case.get(what).and_then(Value::as_object).cloned().unwrap_or_default();
        Self { what, values, read: RefCell::default() }
    }

    /// The value of a field, `None` if it is absent or null.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(key.to_owned());
        self.values.get(key).filter(|value| !value.is_null())
    }

    fn need(&self, key: &str) -> Result<&Value, Problem> {
        self.value(key).ok_or_else(|| format!("{} has no `{key}`", self.what))
    }

    /// A number.
    pub(crate) fn num(&self, key: &str) -> Result<f64, Problem> {
        number(self.need(key)?)
    }

    /// A number that may be absent.
    pub(crate) fn num_or(&self, key: &str, default: f64) -> Result<f64, Problem> {
        self.value(key).map_or(Ok(default), number)
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Result<&str, Problem> {
        let value = self.need(key)?;
        value.as_str().ok_or_else(|| format!("`{key}` is {value}, expected a text"))
    }

    /// A truth value that may be absent.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, Problem> {
        let problem = |value| format!("`{key}` is {value}, expected true or false");
        self.value(key).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| problem(value)))
    }

    /// All numbers below a field, in order, whatever their nesting.
    pub(crate) fn nums(&self, key: &str) -> Result<Vec<f64>, Problem> {
        let mut flat = Vec::new();
        flatten(self.need(key)?, &mut flat)?;
        Ok(flat)
    }

    /// Numbers that may be absent.
    pub(crate) fn nums_if(&self, key: &str) -> Result<Option<Vec<f64>>, Problem> {
        self.value(key).is_some().then(|| self.nums(key)).transpose()
    }

    /// Rows of numbers.
    pub(crate) fn rows(&self, key: &str) -> Result<Vec<Vec<f64>>, Problem> {
        let value = self.need(key)?;
        let rows = value.as_array().ok_or_else(|| format!("`{key}` is {value}, expected rows"))?;
        rows.iter()
            .map(|row| {
                let mut flat = Vec::new();
                flatten(row, &mut flat).map(|()| flat)
            })
            .collect()
    }

    /// Lengths of the nested lists.
    pub(crate) fn shape(&self, key: &str) -> Result<Vec<usize>, Problem> {
        let mut at = self.need(key)?;
        let mut shape = Vec::new();
        while let Value::Array(items) = at {
            shape.push(items.len());
            match items.first() {
                Some(first) => at = first,
                None => break,
            }
        }
        Ok(shape)
    }

    /// The fields of a field.
    pub(crate) fn inner(&self, key: &str) -> Result<Vec<(String, f64)>, Problem> {
        let value = self.need(key)?;
        let object = value.as_object().ok_or_else(|| format!("`{key}` is {value}"))?;
        object.iter().map(|(name, value)| Ok((name.clone(), number(value)?))).collect()
    }

    fn unread(&self) -> Option<String> {
        let read = self.read.borrow();
        let key = self.values.keys().find(|key| !read.contains(*key))?;
        Some(format!("{} has a field that this test doesn't know: `{key}`", self.what))
    }
}

fn number(value: &Value) -> Result<f64, Problem> {
    match value {
        Value::Number(number) => number.as_f64().ok_or_else(|| format!("{number} is no f64")),
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            other => Err(format!("`{other}` is no number")),
        },
        other => Err(format!("{other} is no number")),
    }
}

fn flatten(value: &Value, into: &mut Vec<f64>) -> Result<(), Problem> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| flatten(item, into)),
        other => {
            into.push(number(other)?);
            Ok(())
        }
    }
}

/// One case, and what is known of it so far.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its name, for messages only.
    pub(crate) name: String,
    /// Options.
    pub(crate) config: Fields,
    /// What the peer was given.
    pub(crate) inputs: Fields,
    /// What it returned.
    pub(crate) outputs: Fields,
    rule: Cell<Option<&'static str>>,
    used: Cell<bool>,
    skipped: Cell<Option<&'static str>>,
}

/// Relative to the expected value, beside an absolute floor.
const RELATIVE: f64 = 1e-9;
const ABSOLUTE: f64 = 1e-12;
/// What stands for infinity in an answer that is finite.
const HUGE: f64 = 1e30;

impl Case {
    fn of(case: &Value) -> Self {
        Self {
            name: case["name"].as_str().unwrap_or("unnamed").to_owned(),
            config: Fields::of("config", case),
            inputs: Fields::of("inputs", case),
            outputs: Fields::of("outputs", case),
            rule: Cell::new(None),
            used: Cell::new(false),
            skipped: Cell::new(None),
        }
    }

    /// Says by which rule the peer's answer may be no number, or a wrong one.
    pub(crate) fn expect_exception(&self, rule: &'static str) {
        self.rule.set(Some(rule));
    }

    /// Leaves a case aside, and says why.
    pub(crate) fn skip(&self, reason: &'static str) {
        self.skipped.set(Some(reason));
    }

    /// Whether a rule is in force.
    pub(crate) fn has_exception(&self) -> bool {
        self.rule.get().is_some()
    }

    /// Compares with the peer's numbers. Where a rule is in force and the peer's number isn't
    /// finite, ours must be, and of the sign and size of an infinite one.
    pub(crate) fn close(&self, what: &str, ours: &[f64], theirs: &[f64]) -> Result<(), Problem> {
        if ours.len() != theirs.len() {
            return Err(format!("{what}: {} numbers, expected {}", ours.len(), theirs.len()));
        }
        for (at, (a, b)) in ours.iter().zip(theirs).enumerate() {
            if !a.is_finite() {
                return Err(format!("{what}[{at}] is {a}"));
            }
            if b.is_finite() {
                near(&format!("{what}[{at}]"), *a, *b)?;
            } else if self.rule.get().is_none() {
                return Err(format!("{what}[{at}]: the peer has {b}, and no rule says why"));
            } else {
                self.used.set(true);
                if b.is_infinite() && a * b.signum() < HUGE {
                    return Err(format!("{what}[{at}] is {a}, the peer has {b}"));
                }
            }
        }
        Ok(())
    }

    /// Compares with what we claim to return instead of the peer's answer.
    pub(crate) fn instead(&self, what: &str, ours: &[f64], claimed: &[f64]) -> Result<(), Problem> {
        self.used.set(true);
        if ours.len() != claimed.len() {
            return Err(format!("{what}: {} numbers, claimed {}", ours.len(), claimed.len()));
        }
        let mut pairs = ours.iter().zip(claimed).enumerate();
        pairs.try_for_each(|(at, (a, b))| near(&format!("{what}[{at}], claimed"), *a, *b))
    }

    /// Compares the named numbers of an output with metrics; `foreign` names are not ours to say.
    pub(crate) fn metrics(
        &self,
        key: &str,
        ours: &refire::core::Metrics,
        foreign: &[&str],
    ) -> Result<(), Problem> {
        for (name, value) in self.outputs.inner(key)? {
            if foreign.contains(&name.as_str()) {
                continue;
            }
            let found = ours.get(&name).ok_or_else(|| format!("no metric `{name}`"))?;
            if FLOAT32.contains(&name.as_str()) {
                single(&name, found, value)?;
            } else {
                self.close(&name, &[found], &[value])?;
            }
        }
        Ok(())
    }
}

/// Means that TRL computes in single precision.
const FLOAT32: [&str; 3] = ["rewards/accuracies", "mean_token_accuracy", "accuracy"];

fn single(what: &str, ours: f64, theirs: f64) -> Result<(), Problem> {
    let fine = (ours - theirs).abs() <= 1e-6;
    if fine { Ok(()) } else { Err(format!("{what} is {ours}, expected {theirs}")) }
}

/// Compares two numbers.
pub(crate) fn near(what: &str, ours: f64, theirs: f64) -> Result<(), Problem> {
    if ours.is_finite() && (ours - theirs).abs() <= ABSOLUTE + RELATIVE * theirs.abs() {
        Ok(())
    } else {
        Err(format!("{what} is {ours:e}, expected {theirs:e}"))
    }
}

/// What became of the cases.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    passed: usize,
    failed: usize,
    excepted: usize,
    skipped: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, excepted, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {excepted} excepted, {skipped} skipped")
    }
}

/// Runs all files of a folder: one line per file, and the total.
pub(crate) fn run(family: &str, drivers: &[(&str, Driver)], ignored: &[&str]) -> ExitCode {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders(family) {
        match std::fs::read_dir(&folder) {
            Ok(found) => files.extend(found.filter_map(|entry| Some(entry.ok()?.path()))),
            Err(_) => println!("golden {family}: skipped, {} is missing", folder.display()),
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut total = Counts::default();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if ignored.contains(&name.as_str()) {
            continue;
        }
        let driver = drivers.iter().find(|(known, _)| *known == name).map(|(_, driver)| *driver);
        let counts = run_file(&file, &name, driver);
        println!("{name}: {counts}");
        total.passed += counts.passed;
        total.failed += counts.failed;
        total.excepted += counts.excepted;
        total.skipped += counts.skipped;
    }
    println!("golden {family}: {total}");
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where vectors of a family are: in the reference data, if there is any, and in the repository.
fn folders(family: &str) -> [PathBuf; 2] {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let reference = std::env::var("REFIRE_TEST_DATA").unwrap_or_else(|_| beside.to_owned());
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data").to_owned();
    [reference, committed].map(|root| PathBuf::from(root).join("golden").join(family))
}

fn run_file(file: &Path, name: &str, driver: Option<Driver>) -> Counts {
    let mut counts = Counts::default();
    let parsed = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let parsed = parsed
        .and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string()));
    let cases = match parsed {
        Ok(parsed) => parsed["cases"].as_array().cloned().unwrap_or_default(),
        Err(error) => {
            println!("  {name}: {error}");
            counts.failed = 1;
            return counts;
        }
    };
    let Some(driver) = driver else {
        println!("  {name}: nothing here knows this file");
        counts.failed = cases.len();
        return counts;
    };
    let mut rules: Vec<&str> = Vec::new();
    for case in &cases {
        let case = Case::of(case);
        let fields = [&case.config, &case.inputs, &case.outputs];
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| driver(&case)));
        let checked = checked.unwrap_or_else(|_| Err("panicked".to_owned()));
        let result =
            checked.and_then(|()| fields.iter().find_map(|f| f.unread()).map_or(Ok(()), Err));
        if let Some(reason) = case.skipped.get() {
            counts.skipped += 1;
            println!("  {name}: {}: skipped: {reason}", case.name);
            continue;
        }
        match result {
            Ok(()) if case.used.get() => {
                counts.excepted += 1;
                rules.extend(case.rule.get());
            }
            Ok(()) => counts.passed += 1,
            Err(problem) => {
                counts.failed += 1;
                println!("  {name}: {}: {problem}", case.name);
            }
        }
    }
    rules.sort_unstable();
    rules.dedup();
    rules.iter().for_each(|rule| println!("  {name}: exception: {rule}"));
    counts
}
