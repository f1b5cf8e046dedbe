//! States that don't fit are refused, and answers that come late count where they belong.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/learner.rs"]
mod learner;

use learner::*;
use refire_core::{Prompt, PromptSource, Stateful};
use refire_data::{Bandit, BanditConfig, CurriculumStage, Staged, Success, Until};
use serde_json::Value;

fn some_steps(source: &mut dyn PromptSource, batches: usize) {
    let _ = train(source, Learner::new(-1.0, 0), batches, 12);
}

/// The same prompts, whose categories are told by a function of position.
fn with_categories(of: impl Fn(usize) -> usize) -> Bandit {
    let mut prompts = prompts(&LADDER, 5);
    for (at, prompt) in prompts.iter_mut().enumerate() {
        prompt.meta.insert("category".to_owned(), format!("c{:03}", of(at)).into());
    }
    Bandit::new(pool(&prompts), BanditConfig::default()).unwrap()
}

#[test]
fn categories_that_changed_are_refused() {
    let mut saved = with_categories(|at| at % 4);
    some_steps(&mut saved, 5);
    let state = saved.state().unwrap();
    let others: [fn(usize) -> usize; 5] =
        [|at| at % 3, |at| at % 5, |at| at % 9, |at| (at + 1) % 4, |at| at / 10];
    for of in others {
        let mut other = with_categories(of);
        let before = other.state().unwrap();
        let error = other.restore(&state).unwrap_err().to_string();
        assert!(error.contains("categories"), "{error}");
        assert_eq!(other.state().unwrap(), before, "nothing of it was taken");
        some_steps(&mut other, 3);
    }
    with_categories(|at| 10 + at % 4).restore(&state).unwrap();
}

fn in_stages(prompts: &[Prompt], stages: &[std::ops::Range<usize>]) -> Staged {
    let stages = stages.iter().map(|range| CurriculumStage {
        prompts: prompts[range.clone()].iter().map(|prompt| prompt.id).collect(),
        until: Until::PassRate { at_least: 0.7, over: 8 },
    });
    Staged::new(pool(prompts), stages.collect(), Success::default(), 0).unwrap()
}

#[test]
fn stages_that_changed_are_refused() {
    let prompts = prompts(&LADDER, 5);
    let mut saved = in_stages(&prompts, &[0..10, 10..20, 20..40]);
    let all_right = |source: &mut Staged| {
        let requests = source.next(10).unwrap();
        let (groups, scores) = Learner::new(99.0, 0).answer(&requests);
        source.observe(&groups, &scores);
    };
    (0..3).for_each(|_| all_right(&mut saved));
    assert_eq!(saved.stage(), 2);
    let state = saved.state().unwrap();
    for stages in [&[0..10, 10..40][..], &[0..10, 10..21, 21..40], &[0..5, 5..10, 10..20, 20..40]] {
        let mut other = in_stages(&prompts, stages);
        let error = other.restore(&state).unwrap_err().to_string();
        assert!(error.contains("stages"), "{error}");
        some_steps(&mut other, 3);
    }
    in_stages(&prompts, &[0..10, 10..20, 20..40]).restore(&state).unwrap();
}

/// Every state that differs from a good one in one place: a list that lost an entry, a number or a
/// key that is too large.
fn damaged(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(_) => vec![1_000_000_000.into()],
        Value::Array(items) => {
            let mut all = Vec::new();
            // A few places of a long list speak for all of it.
            for at in (0..items.len()).step_by(1 + items.len() / 12) {
                all.extend(damaged(&items[at]).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[at] = item;
                    Value::Array(items)
                }));
            }
            if let Some((_, shorter)) = items.split_last() {
                all.push(shorter.to_vec().into());
            }
            all
        }
        Value::Object(map) => {
            let mut all = Vec::new();
            for (key, value) in map {
                all.extend(damaged(value).into_iter().map(|value| {
                    let mut map = map.clone();
                    map.insert(key.clone(), value);
                    Value::Object(map)
                }));
                if key.parse::<usize>().is_ok() {
                    let mut map = map.clone();
                    map.insert("1000000000".to_owned(), value.clone());
                    all.push(Value::Object(map));
                }
            }
            all
        }
        _ => Vec::new(),
    }
}

#[test]
fn no_damaged_state_makes_a_source_panic() {
    let prompts = prompts(&LADDER, 5);
    for (name, build) in ALL {
        let mut saved = build(&prompts, 0);
        some_steps(&mut *saved, 12);
        let state: Value = serde_json::from_slice(&saved.state().unwrap()).unwrap();
        let (states, mut refused) = (damaged(&state), 0);
        for state in &states {
            let mut other = build(&prompts, 0);
            match other.restore(&serde_json::to_vec(state).unwrap()) {
                Ok(()) => some_steps(&mut *other, 2),
                Err(_) => refused += 1,
            }
        }
        println!("{name}: {refused} of {} damaged states refused", states.len());
        assert!(refused > 0, "{name}");
    }
}

/// Answers to a stage's requests that come when the next stage has begun say nothing of it, though
/// both may hold the same prompts.
#[test]
fn late_answers_do_not_end_the_next_stage() {
    let prompts = prompts(&LADDER, 2);
    let mut source = in_stages(&prompts, &[0..8, 0..8, 8..16]);
    let (right, wrong) = (Learner::new(99.0, 0), Learner::new(-99.0, 0));
    let first = source.next(16).unwrap();
    let late = source.next(16).unwrap();
    let (groups, scores) = right.answer(&first);
    source.observe(&groups, &scores);
    let of_second = source.next(8).unwrap();
    assert_eq!(source.stage(), 1);
    let (groups, scores) = right.answer(&late);
    source.observe(&groups, &scores);
    let mut again = in_stages(&prompts, &[0..8, 0..8, 8..16]);
    again.restore(&source.state().unwrap()).unwrap();
    for mut source in [source, again] {
        let more = source.next(4).unwrap();
        assert_eq!(source.stage(), 1, "late answers are the first stage's");
        let (groups, scores) = wrong.answer(&more);
        source.observe(&groups, &scores);
        let (groups, scores) = right.answer(&of_second);
        source.observe(&groups, &scores);
        source.next(1).unwrap();
        assert_eq!(source.stage(), 2, "its own answers end it");
    }
}
