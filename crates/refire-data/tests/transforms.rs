//! Transformations change what they say, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{rows, texts};
use refire_core::{Purpose, Row, Stream};
use refire_data::{
    Flaw, MaskSchedule, Perturbation, SearchVerdict, TemplatePool, backtracking_trace, first_error,
    flawed_prefix, intervene, into_turns, mask_thought, perturb, plan_execute, split_steps,
    steps_of,
};
use std::collections::BTreeMap;

fn draw(seed: u64) -> Stream {
    Stream::new(seed, Purpose::named("test"), 0, 0, 0)
}

#[test]
fn steps_cover_a_trace() {
    for text in [
        "",
        "one",
        "a\nb\n",
        "a\n\nb\n\n\nc",
        "First, add. Wait, no. Alternatively, double it.",
        "\n\na",
    ] {
        let joined: String = split_steps(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(joined, text);
    }
    assert_eq!(
        steps_of("First, add 2. Wait, no. Alternatively, double."),
        ["First, add 2.", "Wait, no.", "Alternatively, double."]
    );
    assert_eq!(steps_of("a\n\nb\n\n\nc"), ["a", "b", "c"]);
}

#[test]
fn thoughts_are_masked_at_their_rate() {
    let n = 20_000;
    let row = Row {
        id: 1,
        tokens: (1..=n).collect(),
        loss_mask: (0..n).map(|t| t >= 100).collect(),
        weights: None,
        ..Row::default()
    };
    for rate in [0.0, 0.2, 0.4, 1.0] {
        let masked = mask_thought(&row, 0, rate, 3, 0);
        assert_eq!(masked[..100], row.tokens[..100], "the prompt stays");
        assert_eq!(masked.last(), row.tokens.last());
        let hidden = masked.iter().filter(|t| **t == 0).count() as f64 / 19_900.0;
        assert!((hidden - rate).abs() < 0.012, "{rate} {hidden}");
    }
    assert_ne!(mask_thought(&row, 0, 0.4, 3, 0), mask_thought(&row, 0, 0.4, 3, 1));
    assert_eq!(MaskSchedule { rate: 0.3, warm_up: 0 }.at(0), 0.3);
}

#[test]
fn perturbations_change_their_share() {
    let steps: Vec<String> =
        (0..30).map(|i| format!("Wait, step {i} has 1234567890. However, go on.")).collect();
    let trace = steps.join("\n\n");
    let run = |change| perturb(&trace, change, &["x one\n\nx two"], draw(1)).unwrap();
    for share in [0.0_f64, 0.33, 0.67, 1.0] {
        let wanted = (30.0 * share).round() as usize;
        let deleted = run(Perturbation::Delete { share });
        assert_eq!(steps_of(&deleted).len(), 30 - wanted);
        let inserted = run(Perturbation::Insert { share });
        assert_eq!(steps_of(&inserted).iter().filter(|s| s.starts_with('x')).count(), wanted);
        let shuffled = run(Perturbation::Shuffle { share });
        let mut sorted = steps_of(&shuffled);
        sorted.sort_unstable();
        let mut original = steps_of(&trace);
        let moved = original.iter().zip(steps_of(&shuffled)).filter(|(a, b)| **a != *b).count();
        original.sort_unstable();
        assert_eq!(sorted, original);
        assert!(moved <= wanted && (share < 0.5 || moved > wanted / 2));
        let digits = run(Perturbation::Digits { share });
        let all = trace.bytes().filter(u8::is_ascii_digit).count();
        let changed = trace.bytes().zip(digits.bytes()).filter(|(a, b)| a != b).count();
        assert_eq!((changed, digits.len()), ((all as f64 * share).round() as usize, trace.len()));
        let keywords = run(Perturbation::Keywords { share });
        let left = keywords.matches("Wait").count() + keywords.matches("However").count();
        assert_eq!(left, 60 - (60.0 * share).round() as usize);
    }
    assert!(perturb("a", Perturbation::Digits { share: 1.5 }, &[], draw(0)).is_err());
    assert!(perturb("a", Perturbation::Insert { share: 0.5 }, &[], draw(0)).is_err());
}

/// Countdown: combine numbers in order, by + - *, into a target.
#[test]
fn backtracking_traces_have_the_wanted_dead_ends() {
    type State = (i64, Vec<i64>);
    let target = 24;
    let moves = |(value, rest): &State| {
        let Some((next, left)) = rest.split_first() else { return Vec::new() };
        let results = [("+", value + next), ("-", value - next), ("*", value * next)];
        results
            .map(|(op, result)| {
                (format!("{value} {op} {next} = {result}"), (result, left.to_vec()))
            })
            .into()
    };
    let verdict = |(value, rest): &State| match (rest.is_empty(), *value == target) {
        (true, true) => SearchVerdict::Solved,
        (true, false) => SearchVerdict::Dead,
        _ => SearchVerdict::Open,
    };
    let start = (4, vec![2, 3, 6, 6]);
    for k in [0, 1, 3, 5, 10] {
        for seed in 0..10 {
            let Some(trace) =
                backtracking_trace(&start, &moves, &verdict, k, 100_000, draw(seed)).unwrap()
            else {
                panic!("{k} {seed}")
            };
            assert_eq!(
                (trace.backtracks, trace.text.matches("fails, backtrack").count()),
                (k, k),
                "{}",
                trace.text
            );
            assert!(trace.text.lines().rev().nth(1).unwrap().ends_with("= 24"), "{}", trace.text);
        }
    }
    assert_eq!(backtracking_trace(&(1, vec![1]), &moves, &verdict, 0, 100, draw(0)).unwrap(), None);
    assert!(backtracking_trace(&start, &moves, &verdict, 3, 3, draw(0)).is_err());
}

#[test]
fn flawed_prefixes_hold_exactly_one_error() {
    let Some(rows) = rows("data/gsm8k_train.jsonl") else { return };
    let solutions = texts(&rows, "solution");
    let clean: Vec<&String> = solutions.iter().filter(|s| first_error(s).is_none()).collect();
    println!("{} of {} solutions have no wrong equation", clean.len(), solutions.len());
    assert!(clean.len() * 100 > solutions.len() * 95);
    let (mut planted, mut caught, mut kinds) = (0, 0, [0; 3]);
    for (at, solution) in clean.iter().enumerate() {
        let Some(flawed) = flawed_prefix(solution, draw(at as u64)) else { continue };
        planted += 1;
        kinds[match flawed.flaw {
            Flaw::Digit => 0,
            Flaw::Operator => 1,
            Flaw::DroppedTerm => 2,
        }] += 1;
        let repaired = flawed.text.replacen(&flawed.after, &flawed.before, 1);
        assert!(
            solution.starts_with(&repaired) || flawed.text.matches(&flawed.after).count() > 1,
            "{flawed:?}"
        );
        // Roundings of a cent are passed over by the check, and so may be an error of that size.
        let steps_before = steps_of(solution).iter().take(flawed.step).count();
        caught += usize::from(first_error(&flawed.text).is_some_and(|step| step <= steps_before));
    }
    println!("{planted} flawed prefixes, {caught} found again, {kinds:?}");
    assert!(planted * 10 > clean.len() * 7 && caught * 100 > planted * 95, "{planted} {caught}");
    assert!(kinds.iter().all(|kind| *kind > 50), "{kinds:?}");
}

#[test]
fn interventions_keep_what_was_right() {
    let trace = "2+3=5\n5*4=25\nSo 25.";
    let at = first_error(trace).unwrap();
    let fixed = intervene(trace, at, "5*4=20").unwrap();
    assert_eq!((fixed.kept.as_str(), fixed.step), ("2+3=5\n", 1));
    assert_eq!(intervene(trace, 9, "x"), None);
    assert_eq!(first_error("x=3 and 1/3=0.33"), None);
}

#[test]
fn plans_turns_and_templates() {
    let split = plan_execute("just text", &|trace| Some(format!("plan of {trace}"))).unwrap();
    assert_eq!(split.response(), "<plan>\nplan of just text\n</plan>\njust text");
    assert_eq!(plan_execute("<plan>a</plan>", &|_| None), None);
    let answer_in = |step: &str| step.strip_prefix("Answer ").map(str::to_owned);
    let turns = into_turns("a\n\nAnswer 1\n\nb\n\nAnswer 2\n\nend", &answer_in);
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[1].thought, "b\n\nAnswer 2\n\nend");
    assert!(into_turns("nothing", &answer_in).is_empty());

    let names = |a: &str, b: &str| {
        BTreeMap::from([("yes".to_owned(), a.to_owned()), ("no".to_owned(), b.to_owned())])
    };
    let labels = vec![names("A", "B"), names("true", "false")];
    let pool =
        TemplatePool::new(&["1 {q} [yes]/[no]", "2 {q} [yes]/[no]", "held out {q}"], 1, labels, 0)
            .unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for id in 0..100 {
        let (prompt, label) = pool.render(id, 0, &[("q", "Is it?")], "yes").unwrap();
        assert!(!prompt.starts_with("held out"));
        assert!(prompt.contains(&format!("{label}/")), "{prompt} {label}");
        assert_eq!(pool.render(id, 0, &[("q", "Is it?")], "yes").unwrap().0, prompt);
        seen.insert(prompt);
    }
    assert_eq!(seen.len(), 4);
    assert!(pool.render_held_out(1, &[("q", "Is it?")], "yes").unwrap().0.starts_with("held out"));
    assert!(
        pool.render(1, 0, &[], "yes").is_err() && TemplatePool::new(&["{a"], 0, vec![], 0).is_err()
    );
    assert!(TemplatePool::new(&["a"], 1, vec![], 0).is_err());
}
