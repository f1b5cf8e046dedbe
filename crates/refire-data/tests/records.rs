//! Kinds of records: reading, writing, converting, importing.
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{Message, Role};
use refire_data::{Content, Converted, Example, Format, Kind, ReadConfig, Reader, Record, Writer};
use serde_json::{Value, json};
use std::path::Path;

fn chat(turns: &[(Role, &str)]) -> Content {
    turns.iter().map(|(role, text)| Message::new(role.clone(), *text)).collect::<Vec<_>>().into()
}

fn examples() -> Vec<Example> {
    let (question, good, bad) = ("What color is the sky?", "It is blue.", "It is green.");
    let ask = || chat(&[(Role::User, question)]);
    let answer = |text| chat(&[(Role::Assistant, text)]);
    vec![
        Example::LanguageModelling { content: "The sky is blue.".into() },
        Example::LanguageModelling {
            content: chat(&[(Role::User, question), (Role::Assistant, good)]),
        },
        Example::PromptOnly { prompt: "The sky is".into() },
        Example::PromptOnly { prompt: ask() },
        Example::PromptCompletion { prompt: "The sky is".into(), completion: " blue.".into() },
        Example::PromptCompletion { prompt: ask(), completion: answer(good) },
        Example::Preference {
            prompt: "The sky is".into(),
            chosen: " blue.".into(),
            rejected: " green.".into(),
        },
        Example::Preference { prompt: ask(), chosen: answer(good), rejected: answer(bad) },
        Example::ImplicitPreference {
            chosen: "The sky is blue.".into(),
            rejected: "The sky is green.".into(),
        },
        Example::ImplicitPreference {
            chosen: chat(&[(Role::User, question), (Role::Assistant, good)]),
            rejected: chat(&[(Role::User, question), (Role::Assistant, bad)]),
        },
        Example::Unpaired { prompt: "The sky is".into(), completion: " blue.".into(), label: true },
        Example::Unpaired { prompt: ask(), completion: answer(bad), label: false },
        Example::Stepwise {
            prompt: "Which is larger, 9.8 or 9.11?".into(),
            completions: vec!["9.8 = 9.80.".into(), " So 9.8 is larger.".into()],
            labels: vec![true, true],
        },
        Example::Verifiable { prompt: ask(), answer: "blue".into(), verifier: "sky".into() },
    ]
}

fn read(path: &Path, format: Format) -> Vec<Record> {
    let config = ReadConfig { format, ..ReadConfig::default() };
    Reader::open(&[path], config).unwrap().collect::<Result<_, _>>().unwrap()
}

fn read_value(rows: &Value, format: Format) -> Vec<Record> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.json");
    std::fs::write(&path, rows.to_string()).unwrap();
    read(&path, format)
}

#[test]
fn every_kind_survives_every_container() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"] {
        if cfg!(not(feature = "zstd")) && name.ends_with("zst") {
            continue;
        }
        for example in examples() {
            let path = folder.path().join(name);
            let mut record = Record::new(example.clone());
            record.tools = vec![json!({"type": "function", "function": {"name": "f"}})];
            record.extra.insert("difficulty".to_owned(), json!(0.5));
            let mut writer = Writer::create(&path).unwrap();
            writer.write(&record).unwrap();
            writer.write(&record).unwrap();
            assert_eq!(writer.finish().unwrap(), 2);
            for back in read(&path, Format::Auto) {
                assert_eq!(
                    (&back.example, &back.tools, &back.extra),
                    (&example, &record.tools, &record.extra)
                );
                assert_eq!(back.id(), record.id());
                assert_eq!(back.provenance.len(), 1);
            }
        }
    }
}

fn only(record: &Record, to: Kind) -> Example {
    match record.convert(to).unwrap() {
        Converted::Records(mut records) if records.len() == 1 => records.remove(0).example,
        other => panic!("{other:?}"),
    }
}

/// TRL's table of conversions: for each kind, the kinds it can become.
#[test]
fn what_can_become_what() {
    use Kind::{
        ImplicitPreference, LanguageModelling, Preference, PromptCompletion, PromptOnly, Unpaired,
    };
    let allowed = |kind: Kind| match kind {
        PromptCompletion => vec![LanguageModelling, PromptOnly],
        ImplicitPreference => {
            vec![LanguageModelling, PromptCompletion, PromptOnly, Preference, Unpaired]
        }
        Preference => {
            vec![LanguageModelling, PromptCompletion, PromptOnly, ImplicitPreference, Unpaired]
        }
        Unpaired => vec![LanguageModelling, PromptCompletion, PromptOnly],
        Kind::Stepwise => vec![LanguageModelling, PromptCompletion, PromptOnly, Unpaired],
        Kind::Verifiable => vec![PromptOnly],
        _ => vec![],
    };
    for example in examples() {
        let record = Record::new(example);
        let from = record.example.kind();
        for to in Kind::ALL {
            let expected = to == from || allowed(from).contains(&to);
            assert_eq!(record.convert(to).is_ok(), expected, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn conversions_of_text() {
    let pair = Record::new(examples()[6].clone());
    let implicit = Record::new(only(&pair, Kind::ImplicitPreference));
    assert_eq!(implicit.example, examples()[8]);
    assert_eq!(only(&implicit, Kind::Preference), examples()[6], "the space goes to the answers");
    assert_eq!(only(&implicit, Kind::PromptCompletion), examples()[4]);
    assert_eq!(only(&pair, Kind::PromptCompletion), examples()[4]);
    assert_eq!(only(&pair, Kind::LanguageModelling), examples()[0]);
    assert_eq!(only(&implicit, Kind::LanguageModelling), examples()[0]);
    let Converted::Records(two) = implicit.convert(Kind::Unpaired).unwrap() else { panic!() };
    let label = |r: &Record| matches!(r.example, Example::Unpaired { label, .. } if label);
    assert_eq!(two.iter().map(label).collect::<Vec<_>>(), [true, false]);
    assert_eq!(
        two[0].provenance.last().unwrap().source,
        "convert: implicit preference to unpaired preference"
    );
}

#[test]
fn conversions_of_chats() {
    let pair = Record::new(examples()[7].clone());
    let implicit = Record::new(only(&pair, Kind::ImplicitPreference));
    assert_eq!(implicit.example, examples()[9]);
    assert_eq!(only(&implicit, Kind::Preference), examples()[7]);
    assert_eq!(only(&implicit, Kind::PromptOnly), examples()[3]);
    let bad = Record::new(examples()[11].clone());
    assert!(matches!(bad.convert(Kind::PromptCompletion).unwrap(), Converted::LeftOut(_)));
    assert_eq!(only(&bad, Kind::PromptOnly), examples()[3]);
}

#[test]
fn steps_are_good_if_all_are() {
    for (labels, good) in [([true, true], true), ([true, false], false), ([false, true], false)] {
        let steps = vec!["One.".to_owned(), " Two.".to_owned()];
        let record = Record::new(Example::Stepwise {
            prompt: "Q ".into(),
            completions: steps,
            labels: labels.to_vec(),
        });
        let expected =
            Example::Unpaired { prompt: "Q ".into(), completion: "One. Two.".into(), label: good };
        assert_eq!(only(&record, Kind::Unpaired), expected);
        let text = record.convert(Kind::LanguageModelling).unwrap();
        assert_eq!(matches!(text, Converted::Records(_)), good);
    }
}

#[test]
fn equal_texts_make_the_whole_a_prompt() {
    let record = Record::new(Example::ImplicitPreference {
        chosen: "same".into(),
        rejected: "same, more".into(),
    });
    let expected =
        Example::Preference { prompt: "same".into(), chosen: "".into(), rejected: ", more".into() };
    assert_eq!(only(&record, Kind::Preference), expected);
}

#[test]
fn imports() {
    let rows = json!([{"conversations": [
        {"from": "system", "value": "Be brief."}, {"from": "human", "value": "2 + 3?"}, {"from": "gpt", "value": "5"},
    ], "id": "a"}]);
    let record = &read_value(&rows, Format::Auto)[0];
    let expected =
        chat(&[(Role::System, "Be brief."), (Role::User, "2 + 3?"), (Role::Assistant, "5")]);
    assert_eq!(record.example, Example::LanguageModelling { content: expected });
    assert_eq!(record.extra["id"], "a");

    let rows = json!([{"instruction": "Add.", "input": "2 and 3", "output": "5"}, {"instruction": "Hi", "input": "", "output": "Hello", "history": [["a", "b"]]}]);
    let records = read_value(&rows, Format::Auto);
    let expected = Example::PromptCompletion {
        prompt: chat(&[(Role::User, "Add.\n\n2 and 3")]),
        completion: chat(&[(Role::Assistant, "5")]),
    };
    assert_eq!(records[0].example, expected);
    assert_eq!(records[1].example.prompt_text().unwrap(), "a\nb\nHi");

    let rows = json!([{"data_source": "openai/gsm8k", "prompt": [{"role": "user", "content": "2 + 3?"}], "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": 5}, "extra_info": {"index": 7, "split": "train"}}]);
    let record = &read_value(&rows, Format::Auto)[0];
    let expected = Example::Verifiable {
        prompt: chat(&[(Role::User, "2 + 3?")]),
        answer: "5".into(),
        verifier: "openai/gsm8k".into(),
    };
    assert_eq!(record.example, expected);
    assert_eq!(record.extra["extra_info"]["index"], 7);
    assert_eq!(record.extra["reward_model"], json!({"style": "rule"}));
}

#[test]
fn a_prompt_column_beside_whole_chats_is_not_the_prompt() {
    let turn = |role: &str, text: &str| json!({"role": role, "content": text});
    let rows = json!([{"prompt": "2 + 3?", "chosen": [turn("user", "2 + 3?"), turn("assistant", "5")],
        "rejected": [turn("user", "2 + 3?"), turn("assistant", "6")]}]);
    assert_eq!(read_value(&rows, Format::Auto)[0].example.kind(), Kind::ImplicitPreference);
}

#[test]
fn tool_calls_in_both_forms_and_thoughts() {
    let call = json!({"type": "function", "id": "1", "function": {"name": "add", "arguments": "{\"a\": 2}"}});
    let flat = json!({"name": "add", "arguments": {"a": 2}, "id": "1"});
    let row = |call: Value| {
        json!([{"messages": [{"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "content": "5", "tool_call_id": "1", "name": null},
        {"role": "assistant", "content": "5", "reasoning_content": "easy"}]}])
    };
    let (a, b) = (read_value(&row(call), Format::Auto), read_value(&row(flat), Format::Auto));
    assert_eq!(a[0].example, b[0].example);
    assert_eq!(a[0].id(), b[0].id());
    let Example::LanguageModelling { content: Content::Messages(messages) } = &a[0].example else {
        panic!()
    };
    assert_eq!(messages[0].tool_calls[0].arguments["a"], 2);
    assert_eq!(messages[2].content, "<think>\neasy\n</think>\n\n5");
}

#[test]
fn ids_depend_on_content_alone() {
    let mut ids: Vec<_> = examples().into_iter().map(|example| Record::new(example).id()).collect();
    let n = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n);
    let mut record = Record::new(examples()[0].clone());
    let id = record.id();
    record.extra.insert("source".to_owned(), json!("a"));
    assert_eq!(record.id(), id);
    let object = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    record.tools = vec![object(r#"{"a":1,"b":2}"#)];
    let one = record.id();
    record.tools = vec![object(r#"{"b":2,"a":1}"#)];
    assert_eq!(record.id(), one);
    assert_ne!(one, id);
    assert_eq!(
        id.to_string(),
        "a42516d55ac37a0e4ca844fa5f0cab7e",
        "as the xxhash package of Python gives it"
    );
}

#[test]
fn folders_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for (name, text) in [
        ("b.jsonl", "b"),
        ("a.jsonl", "a"),
        ("sub/c.ndjson", "c"),
        ("note.txt", "x"),
        (".hidden.jsonl", "x"),
    ] {
        std::fs::write(folder.path().join(name), format!("{{\"text\":\"{text}\"}}\n")).unwrap();
    }
    let texts: Vec<_> =
        read(folder.path(), Format::Auto).iter().map(|r| r.example.full_text()).collect();
    assert_eq!(texts, ["a", "b", "c"]);
    let lines: Vec<_> = read(&folder.path().join("**/*.*json*"), Format::Auto)
        .iter()
        .map(|r| r.provenance[0].line)
        .collect();
    assert_eq!(lines, [1, 1, 1, 1], "a pattern may name hidden files");
}
