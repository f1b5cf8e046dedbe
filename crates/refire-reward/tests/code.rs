//! Rewards made of tests: credit, tiers, data that is wrong, and the lint.
#![cfg(feature = "code")]
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{Completion, Finish, Prompt, Reward, Score, Scored};
use refire_reward::{
    CodeConfig, CodeReward, Credit, LintFlaw, RewardError, TierWeights, conformance, lint_suites,
};
use refire_sandbox::{Sandbox, SandboxConfig, SandboxError, StdioCase, Suite};
use serde_json::{Value, json};

/// The reward, or a word on the layer that is missing.
fn reward(credit: Credit) -> Option<CodeReward> {
    match CodeReward::new(CodeConfig { credit, ..CodeConfig::default() }) {
        Ok(reward) => Some(reward),
        Err(RewardError::Member { source, .. }) => {
            let lacks = source.downcast_ref::<SandboxError>();
            let layer =
                matches!(lacks, Some(SandboxError::Layer { .. } | SandboxError::Python { .. }));
            assert!(layer, "{source}");
            println!("skipped: {source}; see the example `sandbox_doctor`");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn prompt(meta: Value) -> Prompt {
    Prompt { meta: meta.as_object().unwrap().clone(), ..Prompt::default() }
}

fn reply(text: &str, finish: Finish) -> Completion {
    Completion {
        tokens: vec![1],
        loss_mask: vec![true],
        model_logprobs: vec![0.0],
        behaviour_logprobs: vec![0.0],
        versions: vec![0],
        turns: vec![],
        text: text.to_owned(),
        finish,
    }
}

fn fenced(program: &str) -> Completion {
    reply(&format!("Here:\n```python\n{program}\n```\nDone."), Finish::EndToken { token: 1 })
}

fn score(reward: &CodeReward, prompt: &Prompt, completion: &Completion) -> Score {
    reward.score(&[Scored { prompt, completion, group: 0 }]).unwrap().remove(0)
}

/// Four tests: x, 2x, 3x, 4x.
fn tests() -> Value {
    let case = |x: i32| json!({"args": [x], "expected": x * x});
    let cases: Vec<Value> = (1..=4).map(case).collect();
    json!({
        "tests": {"kind": "calls", "entry_point": "square", "cases": cases},
        "tiers": ["basic", "medium", "high", "edge"],
    })
}

#[test]
fn credit_is_given_as_configured() {
    let right = fenced("def square(x): return x * x");
    let half = fenced("def square(x): return x * x if x < 3 else 0");
    let edge = fenced("def square(x): return 16");
    let prompt = prompt(tests());
    let ascending = TierWeights { basic: 0.15, medium: 0.15, high: 0.35, edge: 0.35 };
    for (credit, expected) in [
        (Credit::PassAll, [1.0, 0.0, 0.0]),
        (Credit::Fraction, [1.0, 0.5, 0.25]),
        (Credit::Tiers { weights: TierWeights::default() }, [1.0, 0.5, 0.25]),
        (Credit::Tiers { weights: ascending }, [1.0, 0.3, 0.35]),
    ] {
        let Some(reward) = reward(credit) else { return };
        for (completion, expected) in [&right, &half, &edge].into_iter().zip(expected) {
            let found = score(&reward, &prompt, completion);
            assert!((found.total().unwrap() - expected).abs() < 1e-12, "{credit:?} {found:?}");
        }
    }
}

#[test]
fn a_curriculum_says_which_tiers_count() {
    let Some(reward) = reward(Credit::Tiers { weights: TierWeights::default() }) else { return };
    let half = fenced("def square(x): return x * x if x < 3 else 0");
    let weights = json!({"basic": 0.15, "medium": 0.15, "high": 0.35, "edge": 0.35});
    for (tiers, expected) in [
        (json!(["basic"]), 0.15),
        (json!(["basic", "medium"]), 0.3),
        (json!(["high", "edge"]), 0.0),
    ] {
        let mut meta = tests();
        meta["tarot"] = json!({"tiers": tiers, "weights": weights});
        let found = score(&reward, &prompt(meta), &half);
        assert!((found.total().unwrap() - expected).abs() < 1e-12, "{tiers}: {found:?}");
    }
    let mut meta = tests();
    meta["tarot"] = json!({"tiers": ["basic"]});
    assert!(matches!(score(&reward, &prompt(meta), &half), Score::Unscorable { .. }));
}

#[test]
fn replies_without_a_program_are_wrong() {
    let Some(reward) = reward(Credit::Fraction) else { return };
    let prompt = prompt(tests());
    let program = "```python\ndef square(x): return x * x\n```";
    assert_eq!(score(&reward, &prompt, &reply(program, Finish::Length)).total(), Some(0.0));
    for text in
        ["", "I can't", "def square(x): return x * x", "```python\ndef square(x): return x * x"]
    {
        let found = score(&reward, &prompt, &reply(text, Finish::EndToken { token: 1 }));
        assert_eq!(found.total(), Some(0.0), "{text}");
    }
    for program in ["def (", "import os\nos._exit(0)", "raise SystemExit", "x = bytearray(1 << 40)"]
    {
        assert_eq!(score(&reward, &prompt, &fenced(program)).total(), Some(0.0), "{program}");
    }
}

#[test]
fn data_that_is_wrong_has_no_score() {
    let Some(reward) = reward(Credit::Tiers { weights: TierWeights::default() }) else { return };
    let right = fenced("def square(x): return x * x");
    let mut no_tiers = tests();
    no_tiers.as_object_mut().unwrap().remove("tiers");
    let mut few_tiers = tests();
    few_tiers["tiers"] = json!(["basic"]);
    let mut odd_tiers = tests();
    odd_tiers["tiers"] = json!(["easy", "medium", "high", "edge"]);
    let weak = json!({"tests": {"kind": "in_process", "test": "assert square(2) == 4"}, "tiers": ["basic"]});
    let empty = json!({"tests": {"kind": "calls", "entry_point": "f", "cases": []}, "tiers": []});
    let broken = json!({"tests": {"kind": "check", "entry_point": "f", "test": "def check("}, "tiers": ["basic"]});
    for meta in
        [json!({}), json!({"tests": 3}), no_tiers, few_tiers, odd_tiers, weak, empty, broken]
    {
        let found = score(&reward, &prompt(meta.clone()), &right);
        assert!(matches!(found, Score::Unscorable { .. }), "{meta}: {found:?}");
    }
}

#[test]
fn it_keeps_the_contract_of_rewards() {
    let Some(reward) = reward(Credit::Fraction) else { return };
    let prompts = [prompt(tests()), prompt(json!({}))];
    let programs =
        ["def square(x): return x * x", "def square(x): return 1", "import", "while True: square"];
    let completions: Vec<_> = programs.iter().map(|program| fenced(program)).collect();
    let items: Vec<_> = prompts
        .iter()
        .enumerate()
        .flat_map(|(group, prompt)| {
            completions.iter().map(move |completion| Scored { prompt, completion, group })
        })
        .collect();
    conformance::check(&reward, &items).unwrap();
}

#[test]
fn wrong_settings_are_refused() {
    let weights = TierWeights { basic: -1.0, edge: f64::NAN, ..TierWeights::default() };
    let credit = Credit::Tiers { weights };
    let error = CodeReward::new(CodeConfig { credit, ..CodeConfig::default() }).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("basic") && text.contains("edge"), "{text}");
    assert!(serde_json::from_str::<CodeConfig>(r#"{"credits": 1}"#).is_err());
}

#[test]
fn the_lint_finds_tests_that_stubs_pass() {
    let Ok(sandbox) = Sandbox::new(SandboxConfig::default()) else {
        println!("skipped: no sandbox; see the example `sandbox_doctor`");
        return;
    };
    let stdio = |output: &str| {
        let case = StdioCase { input: "abc".into(), output: output.into() };
        Suite::Stdio { cases: vec![case], comparator: Default::default() }
    };
    let asserts = |test: &str| Suite::Asserts { tests: vec![test.into()], prelude: String::new() };
    let suites = [
        Suite::check("f", "def check(f):\n    assert f(2) == 4\n    assert f(3) == 9\n"),
        Suite::check("f", "def check(f):\n    x = [3]\n    assert f(x) == sorted(x)\n"),
        Suite::check("f", "def check(f):\n    assert not abs(f(2) - f(2)) > 0\n"),
        Suite::check("f", "def check(:\n"),
        stdio("abc"),
        stdio("cba"),
        asserts("assert f([1]) == g([1])"),
        asserts("assert f(3) == 6"),
    ];
    let findings = lint_suites(&sandbox, &suites);
    let flawed: std::collections::BTreeSet<usize> = findings.iter().map(|f| f.task).collect();
    assert_eq!(flawed.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 6], "{findings:#?}");
    let broken = findings.iter().filter(|f| matches!(f.flaw, LintFlaw::Broken { .. })).count();
    assert_eq!(broken, 1);
}

/// Integers of any size are exact in text; where an object has rounded them nobody is scored.
#[test]
fn large_integers_are_not_rounded() {
    let Some(reward) = reward(Credit::PassAll) else { return };
    let text = r#"{"kind": "calls", "entry_point": "f", "cases": [
        {"args": [18446744073709551629], "expected": 340282366920938463942989953348216553641},
        {"args": [-9223372036854775811], "expected": 85070591730234615921183884079070707721}]}"#;
    let square = fenced("def f(x): return x * x");
    let rounded = fenced("def f(x): return int(float(x)) ** 2");
    let as_text = prompt(json!({"tests": text}));
    assert_eq!(score(&reward, &as_text, &square).total(), Some(1.0));
    assert_eq!(score(&reward, &as_text, &rounded).total(), Some(0.0));
    let object: Value = serde_json::from_str(text).unwrap();
    let found = score(&reward, &prompt(json!({"tests": object})), &square);
    assert!(
        matches!(&found, Score::Unscorable { reason } if reason.to_string().contains("text")),
        "{found:?}"
    );
}
