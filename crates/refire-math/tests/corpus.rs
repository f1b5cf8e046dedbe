//! The labelled corpora: nothing labelled different is accepted, every gold is readable.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use refire_math::{Checker, Profile, Verdict};
use serde_json::Value;

/// Every row of `<data>/<folder>/<prefix>*.jsonl` with the name of its file.
fn rows(folder: &str, prefix: &str) -> Vec<(String, Value)> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into();
    let root: PathBuf = std::env::var("REFIRE_TEST_DATA").unwrap_or(default).into();
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        println!("skipped: no folder {}", root.join(folder).display());
        return Vec::new();
    };
    let mut rows = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name.ends_with(".jsonl") {
            let text = fs::read_to_string(&path).unwrap();
            rows.extend(text.lines().map(|l| (name.clone(), serde_json::from_str(l).unwrap())));
        }
    }
    rows
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or("")
}

#[test]
fn every_gsm8k_gold_equals_itself_and_not_its_neighbour() {
    for profile in [Profile::strict(), Profile::gsm8k()] {
        let checker = Checker::new(profile).unwrap();
        for (file, row) in rows("data", "gsm8k_") {
            let answer = text(&row, "answer");
            let context = format!("{file} {}: {answer}", row["id"]);
            let gold = checker.gold(answer);
            let solution = format!("{}\n#### ", text(&row, "solution"));
            assert!(
                checker.check_gold(&gold, &format!("{solution}{answer}")).is_equal(),
                "{context}"
            );
            let boxed = format!("{}\nso $\\boxed{{{answer}.00}}$.", text(&row, "solution"));
            assert!(checker.check_gold(&gold, &boxed).is_equal(), "{context}");
            let wrong = checker.check_gold(&gold, &format!("{solution}1{answer}"));
            assert!(!wrong.is_equal(), "{context}");
        }
    }
}

const TRUTH: &str = "truth";
const CONVENTION: &str = "convention";

#[derive(Default)]
struct Tally {
    rows: usize,
    decided: usize,
    false_accepts: Vec<String>,
    false_rejects: Vec<String>,
}

/// A row whose `policy` is set is labelled by a convention and not by a truth. Where the field is
/// null nothing may be wrong; where it is absent the label is a peer's, which accepts more (it
/// rounds decimals and equates 20 with 20%), so only the accepted rows are held to it.
#[test]
fn labelled_rows_are_never_falsely_accepted() {
    let checker = Checker::default();
    let mut tallies = BTreeMap::<String, Tally>::new();
    for (file, row) in rows("cases", "math_") {
        let Some(expected) = row["expected"].as_bool() else { continue };
        let class = match row.get("policy") {
            Some(Value::Null) => TRUTH,
            Some(_) => CONVENTION,
            None => "peer's label",
        };
        let tally = tallies.entry(format!("{file}, {class}")).or_default();
        let verdict = checker.check(text(&row, "gold"), text(&row, "pred"));
        tally.rows += 1;
        tally.decided += usize::from(verdict.is_decided());
        match verdict {
            Verdict::Equal(_) if !expected => tally.false_accepts.push(row["id"].to_string()),
            Verdict::NotEqual(_) if expected => tally.false_rejects.push(row["id"].to_string()),
            _ => {}
        }
    }
    for (name, tally) in &tallies {
        let (accepts, rejects) = (&tally.false_accepts, &tally.false_rejects);
        println!("{name}: {} rows, {} decided", tally.rows, tally.decided);
        println!("  false accepts {accepts:?}, false rejects {rejects:?}");
        assert!(name.ends_with(CONVENTION) || accepts.is_empty(), "{name}: {accepts:?}");
        assert!(!name.ends_with(TRUTH) || rejects.is_empty(), "{name}: {rejects:?}");
    }
}

/// The notations that this crate reads must be decided, and rightly.
#[test]
fn plain_numbers_in_boxes_are_decided() {
    let checker = Checker::default();
    let kinds = [
        "boxed",
        "raw_hash",
        "raw_boxed_repeat",
        "raw_two_boxes_last_right",
        "decimal_zero",
        "unreduced",
        "thousand_comma",
        "neg_off_by_one",
        "neg_x10",
        "neg_half",
        "neg_recip",
        "dfrac",
        "tfrac",
        "slash",
        "trail0",
        "dollar",
        "scientific",
    ];
    let plain = ["integer", "fraction", "decimal", "currency", "thousands"];
    for (_, row) in rows("cases", "math_wild") {
        let readable =
            plain.contains(&text(&row, "category")) && kinds.contains(&text(&row, "kind"));
        if readable && row["policy"].is_null() {
            let verdict = checker.check(text(&row, "gold"), text(&row, "pred"));
            assert!(verdict.is_decided(), "{row}: {verdict:?}");
            assert_eq!(verdict.is_equal(), row["expected"] == true, "{row}");
        }
    }
}
