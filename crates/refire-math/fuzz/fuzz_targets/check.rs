//! `cargo +nightly fuzz run check` in `crates/refire-math`: no input panics, and none takes long
//! (`-timeout=1`). The first line is the gold, the rest the completion.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use refire_math::{Checker, Profile};

static CHECKERS: LazyLock<Vec<Checker>> = LazyLock::new(|| {
    let presets = [Profile::strict(), Profile::math_verify(), Profile::dapo(), Profile::prm800k()];
    presets.into_iter().filter_map(|profile| Checker::new(profile).ok()).collect()
});

fuzz_target!(|data: &str| {
    let (gold, completion) = data.split_once('\n').unwrap_or((data, data));
    for checker in CHECKERS.iter() {
        checker.check(gold, completion);
        checker.compare(gold, completion);
        let same = checker.compare(gold, gold);
        assert!(same.is_equal() || !same.is_decided());
    }
});
