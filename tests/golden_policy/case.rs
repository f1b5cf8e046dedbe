use super::Outcome;
use refire::burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

/// One case of a file, which knows what was read of it: a key that nobody looked at could change
/// the meaning of the case, and fails it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) function: String,
    hyper: Map<String, Value>,
    inputs: Map<String, Value>,
    expected: Map<String, Value>,
    read: RefCell<BTreeSet<String>>,
}

pub(crate) fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("NaN") => f64::NAN,
        Some("Inf" | "Infinity") => f64::INFINITY,
        Some("-Inf" | "-Infinity") => f64::NEG_INFINITY,
        Some(text) => text.parse().unwrap(),
        None => value.as_f64().unwrap_or_else(|| f64::from(u8::from(value.as_bool().unwrap()))),
    }
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(crate) fn matrix(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

/// `[rows, columns]` in 64 bits, on the device that differentiates.
pub(crate) fn tensor(rows: &[Vec<f64>]) -> Tensor<2> {
    let dims = [rows.len(), rows.first().map_or(0, Vec::len)];
    let device = Device::flex().autodiff();
    Tensor::from_data(TensorData::new(rows.concat(), dims), (&device, DType::F64))
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

impl Case {
    pub(crate) fn read(path: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(path).unwrap();
        let mut file: Value = serde_json::from_str(&text).unwrap();
        let default = file["function"].as_str().unwrap_or_default().to_owned();
        let Value::Array(cases) = file["cases"].take() else { panic!("{}", path.display()) };
        let object = |value: &mut Value| match value.take() {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let case = |mut case: Value| Self {
            name: case["name"].as_str().unwrap().to_owned(),
            function: case["function"].as_str().unwrap_or(&default).to_owned(),
            hyper: object(&mut case["hyper"]),
            inputs: object(&mut case["inputs"]),
            expected: object(&mut case["expected"]),
            read: RefCell::default(),
        };
        cases.into_iter().map(case).collect()
    }

    /// The outcome, or a failure that names what nobody read.
    pub(crate) fn all_read(&self, outcome: Outcome) -> Outcome {
        if !matches!(outcome, Outcome::Passed | Outcome::Excepted(_)) {
            return outcome;
        }
        let parts =
            [("hyper", &self.hyper), ("inputs", &self.inputs), ("expected", &self.expected)];
        let keys =
            parts.iter().flat_map(|(part, map)| map.keys().map(move |k| format!("{part}.{k}")));
        let unread: Vec<String> = keys.filter(|key| !self.read.borrow().contains(key)).collect();
        if unread.is_empty() { outcome } else { Outcome::Failed(format!("unknown {unread:?}")) }
    }

    fn get<'a>(&self, part: &str, map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(format!("{part}.{key}"));
        map.get(key).filter(|value| !value.is_null())
    }

    /// Keys that are given and have no part in what is compared.
    pub(crate) fn ignore(&self, keys: &[&str]) {
        self.read.borrow_mut().extend(keys.iter().map(|key| (*key).to_owned()));
    }

    pub(crate) fn hyper(&self, key: &str) -> Option<&Value> {
        self.get("hyper", &self.hyper, key)
    }

    pub(crate) fn hyper_number(&self, key: &str) -> Option<f64> {
        self.hyper(key).map(number)
    }

    pub(crate) fn hyper_text(&self, key: &str) -> Option<&str> {
        self.hyper(key).map(|value| value.as_str().unwrap())
    }

    pub(crate) fn hyper_flag(&self, key: &str) -> Option<bool> {
        self.hyper(key).map(|value| value.as_bool().unwrap())
    }

    pub(crate) fn input(&self, key: &str) -> Option<&Value> {
        self.get("inputs", &self.inputs, key)
    }

    pub(crate) fn rows(&self, key: &str) -> Vec<Vec<f64>> {
        self.maybe_rows(key).unwrap_or_else(|| panic!("{}: no input {key}", self.name))
    }

    pub(crate) fn maybe_rows(&self, key: &str) -> Option<Vec<Vec<f64>>> {
        self.input(key).map(matrix)
    }

    pub(crate) fn list(&self, key: &str) -> Vec<f64> {
        numbers(self.input(key).unwrap_or_else(|| panic!("{}: no input {key}", self.name)))
    }

    pub(crate) fn mask(&self) -> Vec<Vec<bool>> {
        self.rows("mask").iter().map(|row| row.iter().map(|m| *m != 0.0).collect()).collect()
    }

    pub(crate) fn groups(&self) -> Vec<usize> {
        self.list("group_ids").iter().map(|id| *id as usize).collect()
    }

    pub(crate) fn expected(&self, key: &str) -> Option<&Value> {
        self.get("expected", &self.expected, key)
    }

    pub(crate) fn expected_number(&self, key: &str) -> f64 {
        number(self.expected(key).unwrap_or_else(|| panic!("{}: expects no {key}", self.name)))
    }

    pub(crate) fn expected_rows(&self, key: &str) -> Vec<Vec<f64>> {
        matrix(self.expected(key).unwrap_or_else(|| panic!("{}: expects no {key}", self.name)))
    }

    pub(crate) fn expected_list(&self, key: &str) -> Vec<f64> {
        numbers(self.expected(key).unwrap_or_else(|| panic!("{}: expects no {key}", self.name)))
    }

    /// A metric that the peer recorded.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        self.expected("metrics")?.get(name).map(number)
    }

    /// What the peer raised.
    pub(crate) fn error(&self) -> Option<&str> {
        self.expected("error").map(|error| error.as_str().unwrap())
    }
}
