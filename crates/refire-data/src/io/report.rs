use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was read so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReport {
    /// Files begun.
    pub files: u64,
    /// Records that came through.
    pub records: u64,
    /// Bad rows, by reason (without its numbers).
    pub bad: BTreeMap<String, u64>,
}

impl ReadReport {
    /// Bad rows in all.
    pub fn bad_rows(&self) -> u64 {
        self.bad.values().sum()
    }
}

/// A reason without its numbers, to count alike reasons together.
pub(super) fn without_numbers(reason: &str) -> String {
    let mut short = String::new();
    for c in reason.chars() {
        if c.is_ascii_digit() {
            if !short.ends_with('#') {
                short.push('#');
            }
        } else {
            short.push(c);
        }
    }
    short
}
