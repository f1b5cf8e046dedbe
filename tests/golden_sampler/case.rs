//! One case, read strictly: what nobody asks for is an error.

use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;

const TOLERANCE: f32 = 1e-5;

pub(crate) struct Case<'a> {
    value: &'a Value,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(value: &'a Value) -> Self {
        Self { value, read: RefCell::default() }
    }

    fn note(&self, name: String) {
        self.read.borrow_mut().insert(name);
    }

    /// A column of the case: inputs or results.
    fn column(&self, name: &str) -> &'a Value {
        self.note(name.to_owned());
        self.value.get(name).unwrap_or_else(|| panic!("the case has no `{name}`"))
    }

    /// Rows of numbers, also where there is only one row.
    pub(crate) fn rows(&self, name: &str) -> Vec<Vec<f32>> {
        let row = |row: &Value| row.as_array().unwrap().iter().map(number).collect();
        nested(self.column(name)).iter().map(row).collect()
    }

    /// Rows of token ids, also where there is only one row.
    pub(crate) fn ids(&self, name: &str) -> Vec<Vec<u32>> {
        nested(self.column(name)).iter().map(ids).collect()
    }

    /// A hyperparameter, if the case has it.
    pub(crate) fn find(&self, name: &str) -> Option<&'a Value> {
        self.note(format!("params.{name}"));
        self.value["params"].get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn param(&self, name: &str) -> &'a Value {
        self.find(name).unwrap_or_else(|| panic!("the case has no parameter `{name}`"))
    }

    pub(crate) fn float(&self, name: &str) -> f32 {
        number(self.param(name))
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.param(name).as_u64().unwrap() as usize
    }

    /// One id, or a list of them.
    pub(crate) fn tokens(&self, name: &str) -> Vec<u32> {
        ids(self.param(name))
    }

    /// Panics if the case holds something that was not read.
    pub(crate) fn nothing_left(&self) {
        let read = self.read.borrow();
        let columns = self.value.as_object().unwrap().keys().filter(|name| *name != "params");
        let params = self.value["params"].as_object().unwrap().keys();
        let params = params.map(|name| format!("params.{name}"));
        let left: Vec<String> =
            columns.cloned().chain(params).filter(|name| !read.contains(name)).collect();
        assert!(left.is_empty(), "unknown keys: {left:?}");
    }
}

fn nested(value: &Value) -> Vec<Value> {
    match value.as_array().unwrap().first() {
        Some(Value::Array(_)) => value.as_array().unwrap().clone(),
        _ => vec![value.clone()],
    }
}

pub(crate) fn number(value: &Value) -> f32 {
    match value {
        Value::Null => f32::NEG_INFINITY,
        Value::String(text) => text.parse().unwrap(),
        _ => value.as_f64().unwrap() as f32,
    }
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    match value {
        Value::Array(values) => values.iter().map(id).collect(),
        one => vec![id(one)],
    }
}

/// Equal infinities count as near, a number near an infinity never.
fn near(ours: f32, theirs: f32) -> bool {
    let same = ours == theirs || (ours.is_nan() && theirs.is_nan());
    same || (theirs.is_finite() && (ours - theirs).abs() <= TOLERANCE * theirs.abs().max(1.0))
}

pub(crate) fn assert_close(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!(near(*a, *b), "{what}, token {i}: {a} instead of {b}");
    }
}

/// The same, but that of equal numbers others may have been forbidden: which of them the peer's
/// sort puts first is its accident. As many must be left.
pub(crate) fn assert_close_but_for_ties(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    if ours.iter().zip(theirs).any(|(a, b)| near(*a, *b) != (a.is_finite() == b.is_finite())) {
        return assert_close(ours, theirs, what);
    }
    let sorted = |row: &[f32]| {
        let mut row = row.to_vec();
        row.sort_by(f32::total_cmp);
        row
    };
    let same = std::iter::zip(sorted(ours), sorted(theirs)).all(|(a, b)| near(a, b));
    if !same {
        assert_close(ours, theirs, what);
    }
}
