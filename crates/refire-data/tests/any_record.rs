//! Stages on records of every kind: judged, or counted under a name of their own.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::rows;
use refire_core::{Message, Role};
use refire_data::{
    C4, Cot, Example, FineWeb, Gopher, Pipeline, Profile, QualityStage, ReadConfig, Reader, Record,
    Repetition, SentenceConfig, SentenceStage, Stage, StageReport, SubstringStage, Words,
};
use serde_json::{Value, json};

fn read(rows: &[Value]) -> Vec<Record> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    Reader::open(&[path], ReadConfig::default()).unwrap().map(Result::unwrap).collect()
}

fn run(stage: impl Stage + 'static, records: Vec<Record>) -> (Vec<Record>, StageReport) {
    let mut pipeline = Pipeline::new(vec![Box::new(stage)]);
    let mut kept = Vec::new();
    let sink = &mut |record| {
        kept.push(record);
        Ok(())
    };
    pipeline.run(records, sink).unwrap();
    (kept, pipeline.report().stages[0].clone())
}

fn chat(turns: &[&str]) -> Value {
    let from = ["human", "gpt"];
    let turn = |(at, value): (usize, &&str)| json!({"from": from[at % 2], "value": value});
    let turns: Vec<Value> = turns.iter().enumerate().map(turn).collect();
    json!({ "conversations": turns })
}

const PAGE: &str = "Home\nShop\nCart\nHelp\nLogin";
const QUESTION: &str = "How many pens has Tom if he buys two and then three?";
const SOLUTION: &str = "He has 2 + 3 = 5 pens.";

#[test]
fn web_profiles_judge_web_pages_and_chats() {
    let profiles = [
        Profile::Gopher(Gopher::default()),
        Profile::C4(C4::default()),
        Profile::FineWeb(FineWeb::default()),
    ];
    for profile in profiles {
        let records = read(&[json!({ "text": PAGE })]);
        let (kept, report) = run(QualityStage::new(profile.clone()), records);
        assert!(kept.is_empty() && report.removed_total() == 1, "{profile:?}: {report:?}");
        let pages = read(&[chat(&["Menu?", PAGE])]);
        assert!(run(QualityStage::new(profile), pages).0.is_empty());
    }
    let again = read(&[json!({ "text": "The same line again.\n".repeat(30) })]);
    for profile in [Profile::Repetition(Repetition::default()), Profile::Cot(Cot::default())] {
        assert!(run(QualityStage::new(profile), again.clone()).0.is_empty());
    }
}

#[test]
fn chats_are_judged_by_what_the_model_says() {
    let again = "Wait, let me check that once more. ".repeat(20);
    let cases = [
        (chat(&["Hello there!", "Hello, ask me.", QUESTION, SOLUTION]), None),
        (chat(&["Hello there!", "Hello, ask me.", QUESTION, &again]), Some("loop")),
        (chat(&[QUESTION, &again, "So what is it, all in all?", SOLUTION]), Some("loop")),
        (chat(&[QUESTION, "因此我们需要先计算每天的总数，然后再乘以天数。"]), Some("language")),
        (chat(&[QUESTION, "<think>Two and three make five, so he has 5."]), Some("structure")),
    ];
    for (row, expected) in cases {
        let (kept, report) = run(QualityStage::default(), read(std::slice::from_ref(&row)));
        assert!(report.not_applied.is_empty());
        let reason = report.removed.keys().next().map(String::as_str);
        assert_eq!((reason, kept.len()), (expected, usize::from(expected.is_none())), "{row}");
    }
}

#[test]
fn what_cannot_be_judged_is_counted() {
    let tool = |role, content: &str| Message::new(role, content);
    let silent = Example::LanguageModelling {
        content: vec![tool(Role::User, QUESTION), tool(Role::Tool, "5")].into(),
    };
    let unasked = Example::LanguageModelling {
        content: vec![tool(Role::System, "Be brief."), tool(Role::Assistant, SOLUTION)].into(),
    };
    let question = Example::PromptOnly { prompt: QUESTION.into() };
    let empty = Example::LanguageModelling { content: " \n".into() };
    let records =
        || [&silent, &unasked, &question, &empty, &question].map(|e| Record::new(e.clone()));
    let (kept, report) = run(QualityStage::default(), records().into());
    assert_eq!(kept.len(), 5);
    let counted: Vec<(&str, u64)> =
        report.not_applied.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    let expected = [
        ("a chat in which nobody asks", 1),
        ("a chat in which the model says nothing", 1),
        ("a question without an answer", 2),
        ("no text", 1),
    ];
    assert_eq!(counted, expected);
    let (_, report) = run(QualityStage::new(Profile::C4(C4::default())), records().into());
    assert_eq!(report.not_applied["a question without an answer"], 2);
    let mut pipeline = Pipeline::new(vec![Box::new(QualityStage::default())]);
    pipeline.run(records(), &mut |_| Ok(())).unwrap();
    assert!(pipeline.report().to_html().contains("a chat in which nobody asks"));
}

#[test]
fn answers_may_be_numbers() {
    let row = |answer: Value| json!({"prompt": QUESTION, "completion": SOLUTION, "answer": answer});
    for (answer, kept) in [(json!(5), 1), (json!(5.0), 1), (json!(6), 0), (json!(5.5), 0)] {
        let records = read(&[row(answer.clone())]);
        assert_eq!(run(QualityStage::default(), records).0.len(), kept, "{answer}");
    }
    let leak = format!("{QUESTION} (The answer is 5.)");
    let told = json!({"prompt": leak, "completion": SOLUTION, "answer": 5});
    assert_eq!(run(QualityStage::default(), read(&[told])).1.removed["leak"], 1);
    let verifiable = json!({"prompt": leak, "answer": 5});
    assert_eq!(run(QualityStage::default(), read(&[verifiable])).1.removed["leak"], 1);
}

/// GSM8K's gold solutions as the last turns of chats, with their answers as numbers.
#[test]
fn answers_of_another_kind_are_kept_and_counted() {
    let row = |answer: Value| json!({"prompt": QUESTION, "completion": SOLUTION, "answer": answer});
    let rows = [row(json!([5])), row(json!({"pens": 5})), row(Value::Null), row(json!("5"))];
    let looping = "and so on and on, ".repeat(60);
    let bad = json!({"prompt": QUESTION, "completion": looping, "answer": [5]});
    let records = rows.into_iter().chain([bad]).map(|row| read(&[row]).remove(0)).collect();
    let (kept, report) = run(QualityStage::new(Profile::Cot(Cot::default())), records);
    assert_eq!(kept.len(), 4, "the other rules judge all the same");
    let reason = "a reference answer that is a list or an object";
    assert_eq!(report.not_applied[reason], 2);
    assert_eq!(report.not_applied.len(), 1);
}

#[test]
fn gold_solutions_stay_in_chats_too() {
    let Some(gold) = rows("data/gsm8k_train.jsonl") else { return };
    let text = |at: usize, name: &str| gold[at][name].as_str().unwrap().to_owned();
    let number = |at: usize| text(at, "answer").replace(',', "").parse::<f64>();
    let usable: Vec<usize> = (0..2999).filter(|at| number(at + 1).is_ok()).collect();
    let chats = |wrong: f64| -> Vec<Record> {
        let row = |at: &usize| {
            let (q, s) = ("question", "solution");
            let mut row = chat(&[&text(*at, q), &text(*at, s), &text(at + 1, q), &text(at + 1, s)]);
            row["answer"] = json!(number(at + 1).unwrap() + wrong);
            row
        };
        read(&usable.iter().map(row).collect::<Vec<_>>())
    };
    let (kept, report) = run(QualityStage::default(), chats(0.0));
    println!("{} of {} chats kept; {:?}", kept.len(), usable.len(), report.removed);
    assert!(report.not_applied.is_empty());
    assert!(kept.len() as f64 >= 0.985 * usable.len() as f64, "{:?}", report.removed);
    let (kept, report) = run(QualityStage::default(), chats(12_345.5));
    assert!(kept.is_empty(), "{:?}", report.removed);
}

#[test]
fn cutting_stages_see_answers_and_chats() {
    let boiler = "Subscribe to our newsletter today. Click on the button below. All rights are reserved here.";
    let told = format!("Something new. {boiler}");
    let messages = |turns: &[&str]| {
        let role = ["user", "assistant"];
        let turn = |(at, text): (usize, &&str)| json!({"role": role[at % 2], "content": text});
        let turns: Vec<Value> = turns.iter().enumerate().map(turn).collect();
        json!({ "messages": turns })
    };
    let answers = || {
        let rows = [
            json!({ "text": told }),
            messages(&["What is new?", &format!("Another thing. {boiler}")]),
            messages(&[boiler, SOLUTION]),
            messages(&["And?", boiler]),
            json!({"prompt": boiler, "completion": format!("Five pens. {boiler}")}),
            json!({ "prompt": boiler }),
            json!({"prompt": "Which?", "chosen": told, "rejected": boiler}),
        ];
        rows.map(|row| read(&[row]).remove(0)).to_vec()
    };
    let check = |(kept, report): (Vec<Record>, StageReport)| {
        let texts: Vec<String> = kept.iter().map(|record| record.example.full_text()).collect();
        // A passage ends with its last word, so the stop behind it may stay.
        let end = [' ', '.'];
        let trimmed: Vec<&str> = texts.iter().map(|text| text.trim_end_matches(end)).collect();
        assert_eq!(trimmed[0], told.trim_end_matches(end));
        assert_eq!(trimmed[1], "What is new?\nAnother thing");
        assert_eq!(
            trimmed[2],
            format!("{boiler}\n{SOLUTION}").trim_end_matches(end),
            "questions stand as they are"
        );
        assert_eq!(trimmed[3], format!("{boiler}\nFive pens"));
        assert_eq!(kept.len(), 6);
        assert_eq!((report.removed["nothing left of a turn"], report.changed), (1, 2));
        assert_eq!(report.not_applied["a question without an answer"], 1);
        assert_eq!(report.not_applied["judged as it stands"], 1);
    };
    check(run(SentenceStage::new(SentenceConfig::default()).unwrap(), answers()));
    check(run(SubstringStage::new(10, Words::default()).unwrap(), answers()));
}
