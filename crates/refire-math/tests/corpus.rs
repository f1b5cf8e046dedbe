//! The labelled corpora, held to what a verifier must reach on them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use refire_math::{Checker, DecimalRule, Profile, SetRule, Tier};
use serde_json::Value;

use common::{rows, text};

#[derive(Default)]
struct Tally {
    rows: usize,
    rejected: Vec<String>,
    accepted: Vec<String>,
}

impl Tally {
    fn wrong(&self) -> usize {
        self.rejected.len() + self.accepted.len()
    }
}

#[test]
fn wild_answers_are_judged_as_labelled() {
    let checker = Checker::default();
    let mut tallies = BTreeMap::<String, Tally>::new();
    for row in rows("cases", "math_wild") {
        if !row["policy"].is_null() {
            continue;
        }
        let expected = row["expected"].as_bool().unwrap();
        let tally = tallies.entry(text(&row, "category").to_owned()).or_default();
        let equal = checker.check(text(&row, "gold"), text(&row, "pred")).is_equal();
        tally.rows += 1;
        match (expected, equal) {
            (true, false) => tally.rejected.push(text(&row, "id").to_owned()),
            (false, true) => tally.accepted.push(text(&row, "id").to_owned()),
            _ => {}
        }
    }
    let total: usize = tallies.values().map(|t| t.rows).sum();
    let wrong: usize = tallies.values().map(Tally::wrong).sum();
    let accepted: usize = tallies.values().map(|t| t.accepted.len()).sum();
    println!("{total} rows, {wrong} wrong, {accepted} of them accepted");
    for (category, tally) in &tallies {
        let (rejected, accepted) = (&tally.rejected, &tally.accepted);
        println!("  {category}: {} rows, rejected {rejected:?}, accepted {accepted:?}", tally.rows);
        let most = if tally.rows < 40 { 1 } else { tally.rows / 20 };
        assert!(tally.wrong() <= most, "{category}: {rejected:?} {accepted:?}");
        assert!(category != "adversarial" || tally.wrong() == 0, "{accepted:?}");
    }
    assert!(wrong * 200 <= total, "more than half a percent is wrong");
    assert!(accepted * 1000 <= total, "more than a thousandth is falsely accepted");
}

/// The profile with the flags of a row of Math-Verify's suite.
fn flagged(row: &Value) -> Profile {
    let mut profile = Profile::math_verify();
    if let Some(places) = row["float_rounding"].as_u64() {
        profile.decimals = DecimalRule::Places(places as u32);
    }
    profile.rename_symbols = row["strict"] == false;
    if row["allow_set_relation_comp"] == true {
        profile.sets = SetRule::Both;
    }
    if let Some(targets) = row["targets"].as_array() {
        let has = |name: &str| targets.iter().any(|target| target == name);
        if !has("latex") {
            profile.extract.tiers = vec![Tier::LastNumber];
        } else if !has("expr") {
            profile.extract.tiers.retain(|tier| *tier != Tier::LastMath);
            profile.extract.tiers.push(Tier::Environment);
        }
    }
    profile
}

#[test]
fn the_suite_of_math_verify_agrees() {
    let mut wrong = Vec::new();
    for row in rows("cases", "math_verify_suite") {
        if row.get("label_suspect").is_some() {
            continue;
        }
        let checker = Checker::new(flagged(&row)).unwrap();
        let verdict = checker.check(text(&row, "gold"), text(&row, "pred"));
        if verdict.is_equal() != row["expected"].as_bool().unwrap() {
            wrong.push(format!("{} {verdict:?}", text(&row, "id")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn hostile_rows_are_judged_as_labelled() {
    let checker = Checker::default();
    for row in rows("cases", "math_dos") {
        let equal = checker.check(text(&row, "gold"), text(&row, "pred")).is_equal();
        assert_eq!(equal, row["expected"].as_bool().unwrap(), "{}", text(&row, "id"));
    }
}

#[test]
fn every_gold_is_readable_and_equals_itself() {
    let checker = Checker::default();
    for row in rows("cases", "math_wild") {
        let gold = text(&row, "gold");
        assert_eq!(checker.gold(gold).fault(), None, "{gold}");
        assert!(checker.check(gold, &format!("so $\\boxed{{{gold}}}$.")).is_equal(), "{gold}");
        assert!(checker.compare(gold, gold).is_equal(), "{gold}");
    }
}

#[test]
fn every_gsm8k_gold_equals_itself_and_not_its_neighbour() {
    for profile in [Profile::strict(), Profile::gsm8k()] {
        let checker = Checker::new(profile).unwrap();
        for row in rows("data", "gsm8k_") {
            let answer = text(&row, "answer");
            let context = format!("{}: {answer}", row["id"]);
            let gold = checker.gold(answer);
            let solution = format!("{}\n#### ", text(&row, "solution"));
            let hashed = format!("{solution}{answer}");
            assert!(checker.check_gold(&gold, &hashed).is_equal(), "{context}");
            let boxed = format!("{}\nso $\\boxed{{{answer}.00}}$.", text(&row, "solution"));
            assert!(checker.check_gold(&gold, &boxed).is_equal(), "{context}");
            let wrong = checker.check_gold(&gold, &format!("{solution}1{answer}"));
            assert!(!wrong.is_equal(), "{context}");
        }
    }
}
