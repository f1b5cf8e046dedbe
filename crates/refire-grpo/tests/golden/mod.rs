//! Reads the vectors that the peers' own code produced; see `golden/policy/README.md`.

#![allow(dead_code, reason = "each test binary uses its own part")]

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::Value;
use std::path::PathBuf;

/// Relative tolerance of values computed in 64 bits throughout.
pub(crate) const EXACT: f64 = 1e-9;

/// The cases of a file, or nothing where there is no test data.
pub(crate) fn cases(path: &str) -> Vec<Value> {
    let root = std::env::var("REFIRE_TEST_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let file = PathBuf::from(root).join(path);
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is missing", file.display());
        return Vec::new();
    };
    let mut parsed: Value = serde_json::from_str(&text).unwrap();
    let cases = parsed["cases"].take();
    let cases = cases.as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{} holds no case", file.display());
    cases
}

pub(crate) fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("NaN") => f64::NAN,
        Some("Inf" | "Infinity") => f64::INFINITY,
        Some("-Inf" | "-Infinity") => f64::NEG_INFINITY,
        Some(text) => panic!("not a number: {text}"),
        None => value.as_f64().unwrap(),
    }
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(crate) fn matrix(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

pub(crate) fn text<'a>(value: &'a Value, default: &'a str) -> &'a str {
    value.as_str().unwrap_or(default)
}

/// `[rows, columns]` in 64 bits.
pub(crate) fn tensor(rows: &[Vec<f64>], device: &Device) -> Tensor<2> {
    let dims = [rows.len(), rows.first().map_or(0, Vec::len)];
    Tensor::from_data(TensorData::new(rows.concat(), dims), (device, DType::F64))
}

pub(crate) fn input(case: &Value, name: &str, device: &Device) -> Option<Tensor<2>> {
    let value = &case["inputs"][name];
    (!value.is_null()).then(|| tensor(&matrix(value), device))
}

/// Advantages `[rows, time]`, from one per row where the peer has them so.
pub(crate) fn advantages(case: &Value, dims: [usize; 2], device: &Device) -> Tensor<2> {
    let value = &case["inputs"]["advantages"];
    if value[0].is_array() {
        return tensor(&matrix(value), device);
    }
    let column: Vec<Vec<f64>> = numbers(value).into_iter().map(|a| vec![a]).collect();
    tensor(&column, device).expand(dims)
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Fails unless the numbers agree up to `tolerance`, relative to the larger of 1 and theirs.
pub(crate) fn close(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}: numbers");
    for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let gap = (a - b).abs();
        assert!(gap <= tolerance * b.abs().max(1.0), "{what}[{index}]: {a}, expected {b}");
    }
}
