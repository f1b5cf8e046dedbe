//! The rewards on batches: contract, combination, golden values.

use refire_core::{BoxError, Completion, Finish, Prompt, Reward, Score, Scored, reward_fn};
use refire_reward::{
    Beyond, FormatConfig, FormatReward, RewardError, SoftOverlong, SoftOverlongConfig, Weighted,
    conformance,
};
use serde_json::Value;

fn completion(text: &str, finish: Finish) -> Completion {
    let n = text.len();
    Completion {
        tokens: vec![1; n],
        loss_mask: vec![true; n],
        model_logprobs: vec![0.0; n],
        behaviour_logprobs: vec![0.0; n],
        versions: vec![0; n],
        turns: vec![],
        text: text.to_owned(),
        finish,
    }
}

struct Batch {
    prompts: Vec<Prompt>,
    completions: Vec<Completion>,
}

impl Batch {
    fn new(rows: &[(Option<&str>, &str, Finish)]) -> Self {
        let prompt = |answer: Option<&str>| Prompt {
            answer: answer.map(str::to_owned),
            ..Prompt::default()
        };
        Self {
            prompts: rows.iter().map(|(answer, ..)| prompt(*answer)).collect(),
            completions: rows.iter().map(|(_, text, f)| completion(text, f.clone())).collect(),
        }
    }

    fn items(&self) -> Vec<Scored<'_>> {
        let pairs = self.prompts.iter().zip(&self.completions).enumerate();
        pairs.map(|(i, (prompt, completion))| Scored { prompt, completion, group: i / 2 }).collect()
    }
}

fn end() -> Finish {
    Finish::EndToken { token: 1 }
}

fn batch() -> Batch {
    Batch::new(&[
        (Some("18"), r"<think>9 * 2</think><answer>\boxed{18}</answer>", end()),
        (Some("18"), r"\boxed{18} and so on", Finish::Length),
        (None, r"\boxed{18}", end()),
        (Some(""), r"\boxed{18}", end()),
        (Some("1/2"), r"\boxed{0.5}", end()),
        (Some("1/2"), "I can't tell", end()),
        (Some("1/2"), r"\boxed{half}", end()),
    ])
}

#[cfg(feature = "math")]
mod math {
    use super::*;
    use refire_reward::{MathConfig, MathReward};

    fn totals(config: MathConfig) -> Result<Vec<Option<f64>>, BoxError> {
        let scores = MathReward::new(config)?.score(&batch().items())?;
        Ok(scores.iter().map(Score::total).collect())
    }

    #[test]
    fn right_wrong_truncated_and_unscorable() {
        let found = totals(MathConfig::default()).unwrap();
        let expected = [Some(1.0), Some(0.0), None, None, Some(1.0), Some(0.0), Some(0.0)];
        assert_eq!(found, expected);
    }

    #[test]
    fn values_and_the_truncation_rule_can_be_chosen() {
        let config = MathConfig { wrong: -1.0, truncated_is_wrong: false, ..Default::default() };
        let found = totals(config).unwrap();
        let expected = [Some(1.0), Some(1.0), None, None, Some(1.0), Some(-1.0), Some(-1.0)];
        assert_eq!(found, expected);
    }

    #[test]
    fn unscorable_rows_say_why() {
        let batch = batch();
        let reward = MathReward::new(MathConfig::default()).unwrap();
        let scores = reward.score(&batch.items()).unwrap();
        let missing = Score::unscorable("the prompt has no reference answer");
        assert_eq!(scores[2], missing);
        assert!(matches!(&scores[3], Score::Unscorable { reason } if reason.0.contains("read")));
    }

    #[test]
    fn a_mistake_in_the_gold_is_unscorable_and_one_in_the_reply_is_wrong() {
        let tower = r"\boxed{9^{9^{9^{9}}}}";
        let batch = Batch::new(&[
            (Some(r"\frac{1"), r"\boxed{2}", end()),
            (Some(r"\frac{1"), "no answer", end()),
            (Some("{}["), r"\boxed{{}[", end()),
            (Some("5"), tower, end()),
            (Some("5"), r"\boxed{\unknown 5}", end()),
            (Some("5"), r"\boxed{0 = 5}", end()),
            (Some("5"), r"\boxed{x = 5}", end()),
        ]);
        let scores = MathReward::new(MathConfig::default()).unwrap().score(&batch.items()).unwrap();
        let totals: Vec<_> = scores.iter().map(Score::total).collect();
        assert_eq!(totals, [None, None, None, Some(0.0), Some(0.0), Some(0.0), Some(1.0)]);
    }

    #[test]
    fn bad_values_are_refused_together() {
        let config = MathConfig { correct: f64::NAN, wrong: f64::INFINITY, ..Default::default() };
        assert_eq!(config.validate().len(), 2);
        assert!(matches!(MathReward::new(config), Err(RewardError::Config { .. })));
    }
}

#[test]
fn the_rewards_keep_the_contract() -> Result<(), BoxError> {
    let batch = batch();
    let overlong = SoftOverlongConfig { max_length: 20, cache: 12, ..Default::default() };
    let mut rewards: Vec<(f64, Box<dyn Reward>)> = vec![
        (0.1, Box::new(FormatReward::new(FormatConfig::default())?)),
        (0.5, Box::new(SoftOverlong::new(overlong)?)),
    ];
    #[cfg(feature = "math")]
    rewards.push((1.0, Box::new(refire_reward::MathReward::new(Default::default())?)));
    for (_, reward) in &rewards {
        conformance::check(reward, &batch.items())?;
    }
    conformance::check(&Weighted::new(rewards)?, &batch.items())
}

fn column(
    name: &str,
    value: impl Fn(Scored<'_>) -> Score + Send + Sync + 'static,
) -> Box<dyn Reward> {
    Box::new(reward_fn(name, move |item| Ok(value(item))))
}

#[test]
fn a_sum_logs_its_parts_unweighted() -> Result<(), BoxError> {
    let batch = Batch::new(&[(None, "abc", end())]);
    let tokens = |item: Scored<'_>| Score::Value {
        total: 2.0,
        parts: vec![("inner".to_owned(), 7.0)],
        per_token: Some((0..item.completion.len()).map(|t| t as f32).collect()),
    };
    let sum = Weighted::new(vec![
        (0.5, column("a", tokens)),
        (-3.0, column("b", |_| Score::value(1.0))),
    ])?;
    let scores = sum.score(&batch.items())?;
    let part = |name: &str, value| (name.to_owned(), value);
    let expected = Score::Value {
        total: -2.0,
        parts: vec![part("a", 2.0), part("a/inner", 7.0), part("b", 1.0)],
        per_token: Some(vec![0.0, 0.5, 1.0]),
    };
    assert_eq!(scores, [expected]);
    Ok(())
}

#[test]
fn unavailable_wins_over_unscorable_wins_over_value() -> Result<(), BoxError> {
    let batch = Batch::new(&[(None, "a", end()), (None, "bb", end()), (None, "ccc", end())]);
    let broken = |item: Scored<'_>| match item.completion.len() {
        1 => Score::value(1.0),
        _ => Score::unscorable("no reference"),
    };
    let down = |item: Scored<'_>| match item.completion.len() {
        3 => Score::unavailable("timeout", true),
        _ => Score::value(1.0),
    };
    let members = || vec![(1.0, column("broken", broken)), (0.0, column("down", down))];
    let scores = Weighted::new(members())?.score(&batch.items())?;
    assert_eq!(scores[0].total(), Some(1.0));
    assert_eq!(scores[1], Score::unscorable("broken: no reference"));
    assert_eq!(scores[2], Score::unavailable("down: timeout", true));

    let gone = |_: Scored<'_>| Score::unavailable("deleted", false);
    let mut members = members();
    members.push((1.0, column("gone", gone)));
    let scores = Weighted::new(members)?.score(&batch.items())?;
    assert_eq!(scores[2], Score::unavailable("down: timeout", false), "no retry can help");
    Ok(())
}

#[test]
fn a_member_that_is_not_finite_is_named() -> Result<(), BoxError> {
    let batch = Batch::new(&[(None, "a", end()), (None, "bb", end())]);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let log = move |item: Scored<'_>| {
            Score::value(if item.completion.len() == 2 { bad } else { 0.0 })
        };
        let sum = Weighted::new(vec![
            (1.0, column("fine", |_| Score::value(1.0))),
            (1.0, column("log", log)),
        ])?;
        let error = sum.score(&batch.items()).unwrap_err().to_string();
        assert!(error.starts_with("reward `log`, row 1: the total is"), "{error}");
    }
    Ok(())
}

#[test]
fn a_member_with_too_few_scores_or_tokens_is_named() -> Result<(), BoxError> {
    struct Short;
    impl Reward for Short {
        fn name(&self) -> &str {
            "short"
        }
        fn score(&self, _: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
            Ok(vec![])
        }
    }
    let batch = Batch::new(&[(None, "abc", end())]);
    let error = Weighted::new(vec![(1.0, Box::new(Short))])?.score(&batch.items()).unwrap_err();
    assert_eq!(error.to_string(), "reward `short` gave 0 scores for 1 completions");
    let two =
        |_: Scored<'_>| Score::Value { total: 0.0, parts: vec![], per_token: Some(vec![0.0; 2]) };
    let error = Weighted::new(vec![(1.0, column("two", two))])?.score(&batch.items()).unwrap_err();
    assert_eq!(error.to_string(), "reward `two`, row 0: 2 token rewards for 3 tokens");
    Ok(())
}

#[test]
fn sums_without_members_or_with_twins_are_refused() {
    let one = || column("one", |_| Score::value(1.0));
    assert!(Weighted::new(vec![]).is_err());
    assert!(Weighted::new(vec![(f64::NAN, one())]).is_err());
    assert!(Weighted::new(vec![(1.0, one()), (1.0, one())]).is_err());
}

#[test]
fn conformance_finds_what_is_broken() {
    use std::sync::atomic::{AtomicU64, Ordering};
    struct Bad<F>(F);
    impl<F: Fn(&[Scored<'_>]) -> Vec<Score> + Send + Sync> Reward for Bad<F> {
        fn name(&self) -> &str {
            "bad"
        }
        fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
            Ok((self.0)(items))
        }
    }
    fn found<F: Fn(&[Scored<'_>]) -> Vec<Score> + Send + Sync>(score: F) -> String {
        conformance::check(&Bad(score), &batch().items()).unwrap_err().to_string()
    }
    let calls = AtomicU64::new(0);
    let drifting = |items: &[Scored<'_>]| {
        let call = calls.fetch_add(1, Ordering::Relaxed) as f64;
        items.iter().map(|_| Score::value(call)).collect()
    };
    assert!(found(drifting).contains("twice"));
    assert!(
        found(|items| (0..items.len()).map(|i| Score::value(i as f64)).collect())
            .contains("permuted")
    );
    assert!(found(|_| vec![Score::value(0.0)]).contains("scores for"));
    assert!(
        found(|items| items.iter().map(|_| Score::value(f64::NAN)).collect()).contains("finite")
    );
}

#[test]
fn a_reward_that_compares_siblings_conforms() {
    struct Centred;
    impl Reward for Centred {
        fn name(&self) -> &str {
            "centred"
        }
        fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
            let centred = |item: &Scored<'_>| {
                let group = items.iter().filter(|other| other.group == item.group);
                let lengths: Vec<f64> = group.map(|s| (s.completion.len() as f64).sqrt()).collect();
                let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
                Score::value((item.completion.len() as f64).sqrt() - mean)
            };
            Ok(items.iter().map(centred).collect())
        }
    }
    conformance::check(&Centred, &batch().items()).unwrap();
}

#[test]
fn soft_overlong_equals_trl_openrlhf_and_verl() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var("REFIRE_TEST_DATA").unwrap_or_else(|_| default.to_owned());
    let path = std::path::Path::new(&root).join("golden/policy/soft_overlong.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is missing", path.display());
        return;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        for (peer, beyond) in
            [("trl", Beyond::Floor), ("openrlhf", Beyond::Floor), ("verl", Beyond::Linear)]
        {
            let config = SoftOverlongConfig {
                max_length: case["hyper"]["max_len"].as_u64().unwrap() as usize,
                cache: case["hyper"]["cache"].as_u64().unwrap() as usize,
                factor: case["hyper"]["factor"].as_f64().unwrap(),
                beyond,
            };
            let reward = SoftOverlong::new(config).unwrap();
            let lengths = case["inputs"]["lengths"].as_array().unwrap();
            let expected = case["expected"][peer].as_array().unwrap();
            assert_eq!(lengths.len(), expected.len());
            for (length, expected) in lengths.iter().zip(expected) {
                let found = reward.penalty(length.as_u64().unwrap() as usize);
                let expected = expected.as_f64().unwrap();
                let close = (found - expected).abs() <= 1e-12 * expected.abs();
                assert!(close, "{}, {peer}, {length}: {found}, not {expected}", case["name"]);
            }
        }
    }
}

#[test]
fn soft_overlong_at_its_borders() {
    let penalties = |max_length, cache| {
        let config = SoftOverlongConfig { max_length, cache, ..Default::default() };
        let reward = SoftOverlong::new(config).unwrap();
        [0, 9, 10, 11, usize::MAX].map(|length| reward.penalty(length))
    };
    assert_eq!(penalties(10, 0), [0.0, 0.0, 0.0, -1.0, -1.0]);
    assert_eq!(penalties(10, 10), [0.0, -0.9, -1.0, -1.0, -1.0]);
    let refused = |max_length, cache, factor, beyond| {
        SoftOverlongConfig { max_length, cache, factor, beyond }.validate().len()
    };
    assert_eq!(refused(10, 11, 1.0, Beyond::Floor), 1);
    assert_eq!(refused(10, 0, 1.0, Beyond::Linear), 1);
    assert_eq!(refused(0, 0, f64::NAN, Beyond::Floor), 2);
}

#[test]
fn unknown_settings_are_refused() {
    assert!(serde_json::from_str::<SoftOverlongConfig>(r#"{"max_len": 3}"#).is_err());
    let config: SoftOverlongConfig = serde_json::from_str(r#"{"beyond": "linear"}"#).unwrap();
    assert_eq!(config, SoftOverlongConfig { beyond: Beyond::Linear, ..Default::default() });
}

#[test]
fn a_prefix_stands_before_the_reply() {
    let config = FormatConfig { prefix: "<think>".to_owned(), ..Default::default() };
    let reward = FormatReward::new(config).unwrap();
    assert_eq!(reward.value("a</think><answer>b</answer>"), 1.0);
    assert_eq!(reward.value("<think>a</think><answer>b</answer>"), 0.0);
}
