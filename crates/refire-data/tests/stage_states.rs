//! What stages remember can be saved and read, and what they remove can be had.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/scripted.rs"]
mod scripted;

use refire_core::{Purpose, SamplingParams, Stateful, Stream};
use refire_data::{
    DecontaminateStage, DecontaminationConfig, Decontaminator, ExactStage, Example, Guidance,
    Origin, Part, Pipeline, RationaleMemory, ReadConfig, Reader, Record, Stage, SynthesisStage,
    TemplatePool, TemplateStage, Writer, filter_map_stage,
};
use scripted::{Scripted, encode};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn question(text: &str) -> Record {
    Record::new(Example::PromptOnly { prompt: text.into() })
}

type Judge = fn(&Record, &str) -> f64;

/// Rationales of very different likelihoods, some impossible: most proposals are turned down.
fn judge(record: &Record, rationale: &str) -> f64 {
    let at: u64 = rationale.parse().unwrap();
    let mut draw = Stream::new(3, Purpose::named("judge"), 0, record.id().short(), at);
    if draw.uniform() < 0.3 { f64::NEG_INFINITY } else { 4.0 * draw.uniform().ln() }
}

/// Rationales come from the keys of the draws alone, as those of a real engine.
fn chains(seed: u64) -> SynthesisStage<(RationaleMemory, Judge)> {
    let script = |prompt: &str, visit: u64, _: usize| {
        let id = prompt.len() as u64;
        Stream::new(5, Purpose::named("script"), visit, id, 0).below(1000).to_string()
    };
    let engine = Box::new(Scripted(script, Vec::new()));
    let recipe: (RationaleMemory, Judge) = (RationaleMemory::new(seed), judge);
    SynthesisStage::new(recipe, engine, encode, SamplingParams::default())
}

/// One batch of a stream in which questions come back.
fn batch(stage: &mut SynthesisStage<(RationaleMemory, Judge)>, at: usize) -> Vec<String> {
    let questions = (0..5).map(|i| question(&"q".repeat(1 + (at * 3 + i) % 11)));
    let passed = stage.run(questions.collect()).unwrap();
    let removed = passed.removed.iter().map(|one| format!("removed {}", one.record.id()));
    passed.records.iter().map(|r| r.example.full_text()).chain(removed).collect()
}

#[test]
fn chains_of_rationales_go_on_as_if_never_broken() {
    for seed in 0..4 {
        let mut whole = chains(seed);
        let expected: Vec<Vec<String>> = (0..60).map(|at| batch(&mut whole, at)).collect();
        let distinct: std::collections::BTreeSet<_> = expected.iter().flatten().collect();
        assert!(distinct.len() > 30, "the chains move");
        for cut in [1, 17, 40] {
            let mut first = chains(seed);
            (0..cut).for_each(|at| assert_eq!(batch(&mut first, at), expected[at]));
            let state = first.state().unwrap();
            let mut second = chains(seed);
            batch(&mut second, 7);
            second.restore(&state).unwrap();
            assert_eq!(second.state().unwrap(), state);
            for (at, expected) in expected.iter().enumerate().skip(cut) {
                assert_eq!(&batch(&mut second, at), expected, "cut {cut}, batch {at}");
            }
            assert_eq!(second.round(), 60);
            // With the round alone, as before, the chains would start over.
            let mut forgetful = chains(seed).with_round(cut as u64);
            let rest: Vec<_> = (cut..60).map(|at| batch(&mut forgetful, at)).collect();
            assert!(rest != expected[cut..]);
        }
        let held = whole.recipe().0.get(question("q").id().short());
        assert!(held.is_some(), "what it holds can be read");
    }
}

#[test]
fn a_recipe_refuses_the_state_of_another() {
    let script = |_: &str, _: u64, _: usize| String::new();
    let engine = Box::new(Scripted(script, Vec::new()));
    let guidance = Guidance::new().unwrap();
    let mut plain = SynthesisStage::new(guidance, engine, encode, SamplingParams::default());
    let error = plain.restore(&chains(0).state().unwrap()).unwrap_err().to_string();
    assert!(error.contains("rationales") && error.contains("guidance"), "{error}");
    assert!(chains(0).restore(&plain.state().unwrap()).is_err());
    plain.restore(&plain.state().unwrap()).unwrap();
}

fn index(items: &[(&str, &str)]) -> Decontaminator {
    let mut check = Decontaminator::new(DecontaminationConfig::default()).unwrap();
    items.iter().for_each(|(name, text)| check.add("test", name, text));
    check
}

#[test]
fn a_versions_changes_with_the_texts() {
    let one = [("q1", "How many days are in a leap year?"), ("q2", "What is 3 + 4?")];
    let mut other = one;
    other[0].1 = "How many days are in a lost year?";
    assert_eq!(index(&one).version(), index(&one).version());
    assert_ne!(index(&one).version(), index(&other).version());
    let swapped = [(one[0].0, one[1].1), (one[1].0, one[0].1)];
    assert_ne!(index(&one).version(), index(&swapped).version());
}

#[test]
fn every_removed_record_and_every_overlap_can_be_had() {
    let leak = "How many days are in a leap year?";
    let records: Vec<Record> = (0..40)
        .map(|i| {
            question(&if i % 2 == 0 { format!("{i}: {leak}") } else { format!("n {}", i / 4) })
        })
        .collect();
    let removed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&removed);
    let mut pipeline = Pipeline::new(vec![
        Box::new(DecontaminateStage::new(index(&[("q1", leak)]))),
        Box::new(ExactStage::new(Part::Whole, None)),
    ])
    .with_batch(7, 5)
    .with_removed(move |stage, one| {
        seen.lock().unwrap().push((stage.to_owned(), one.record.example.full_text()));
        Ok(())
    });
    pipeline.run(records.clone(), &mut |_| Ok(())).unwrap();
    let report = pipeline.stage::<DecontaminateStage>().unwrap().report();
    let positions: Vec<usize> = report.found.iter().map(|(at, _)| *at).collect();
    assert_eq!(positions, (0..40).step_by(2).collect::<Vec<_>>());
    assert_eq!(pipeline.report().stages[0].examples.values().next().unwrap().len(), 5);
    let removed = removed.lock().unwrap();
    let of = |name: &str| removed.iter().filter(|(stage, _)| stage == name).count();
    assert_eq!((of("benchmark overlap"), of("exact duplicates"), removed.len()), (20, 10, 30));
    let (kept, all) = (pipeline.report().given as usize, records.len());
    assert_eq!(kept + removed.len(), all);
    let failing = |_: &str, _| Err(refire_data::DataError::Empty { what: "places" });
    let mut pipeline = Pipeline::new(vec![Box::new(ExactStage::new(Part::Whole, None))]);
    pipeline = pipeline.with_removed(failing);
    assert!(pipeline.run(vec![question("a"); 2], &mut |_| Ok(())).is_err());
}

/// Reads, changes and writes again, as a later run does.
fn pass(from: &Path, to: &Path, step: &'static str) {
    let change = move |record: Record| {
        let example =
            Example::PromptOnly { prompt: format!("{} {step}", record.example.full_text()).into() };
        Ok(record.derive(example, step))
    };
    let mut pipeline = Pipeline::new(vec![filter_map_stage(step, change)]);
    let mut writer = Writer::create(to).unwrap().with_provenance();
    let mut reader = Reader::open(&[from], ReadConfig::default()).unwrap();
    pipeline.run_reader(&mut reader, &mut |record| writer.write(&record), &mut |_| {}).unwrap();
    writer.finish().unwrap();
}

#[test]
fn histories_go_on_from_run_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("a.jsonl"), "{\"prompt\":\"x\",\"level\":3}\n{\"prompt\":\"y\"}\n")
        .unwrap();
    pass(&path("a.jsonl"), &path("b.jsonl"), "one");
    pass(&path("b.jsonl"), &path("c.jsonl.gz"), "two");
    let mut reader = Reader::open(&[path("c.jsonl.gz")], ReadConfig::default()).unwrap();
    let record = reader.nth(1).unwrap().unwrap();
    let history: Vec<(String, u64)> =
        record.provenance.iter().map(|o| (o.source.clone(), o.line)).collect();
    let file = |name: &str| (path(name).display().to_string(), 2);
    let step = |name: &str| (name.to_owned(), 0);
    let expected = [file("a.jsonl"), step("one"), file("b.jsonl"), step("two"), file("c.jsonl.gz")];
    assert_eq!(history, expected);
    assert!(record.extra.is_empty(), "it is no column of the data");
}

#[test]
fn a_column_of_the_same_name_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for foreign in
        ["\"Louvre\"", "[{\"source\":\"a\",\"line\":1,\"url\":\"b\"}]", "{\"source\":\"a\"}"]
    {
        std::fs::write(path("a.jsonl"), format!("{{\"prompt\":\"x\",\"provenance\":{foreign}}}"))
            .unwrap();
        let mut reader = Reader::open(&[path("a.jsonl")], ReadConfig::default()).unwrap();
        let record = reader.next().unwrap().unwrap();
        assert_eq!(record.extra["provenance"].to_string(), foreign);
        assert_eq!(record.provenance.len(), 1);
        Writer::create(path("plain.jsonl")).unwrap().write(&record).unwrap();
        let error = Writer::create(path("b.jsonl")).unwrap().with_provenance().write(&record);
        assert!(error.unwrap_err().to_string().contains("provenance"));
    }
    let mut record = question("x");
    record.provenance = vec![Origin { licence: Some("mit".to_owned()), ..Origin::step("s") }];
    let mut writer = Writer::create(path("own.jsonl")).unwrap().with_provenance();
    writer.write(&record).unwrap();
    writer.finish().unwrap();
    let mut reader = Reader::open(&[path("own.jsonl")], ReadConfig::default()).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().provenance[0], record.provenance[0]);
}

#[test]
fn templates_are_a_stage() {
    let templates = ["{prompt} ({unit})", "In {unit}: {prompt}"];
    let names = [("yes".to_owned(), "A".to_owned()), ("no".to_owned(), "B".to_owned())];
    let pool = || TemplatePool::new(&templates, 0, vec![names.clone().into()], 4).unwrap();
    let record = |i: usize| {
        let completion = ["yes", "no"][i % 2].into();
        let prompt = format!("Is it {i}?").as_str().into();
        let mut record = Record::new(Example::PromptCompletion { prompt, completion });
        record
            .extra
            .insert("unit".to_owned(), if i == 6 { serde_json::Value::Null } else { i.into() });
        record
    };
    let mut records: Vec<Record> = (0..20).map(record).collect();
    records.push(Record::new(Example::LanguageModelling { content: "a text".into() }));
    let run = |visit: u64, batch: usize| {
        let stage = Box::new(TemplateStage::new(pool(), visit));
        let mut pipeline = Pipeline::new(vec![stage]).with_batch(batch, 1);
        let mut made = Vec::new();
        let sink = &mut |record: Record| {
            made.push(record);
            Ok(())
        };
        pipeline.run(records.clone(), sink).unwrap();
        (made, pipeline.report().stages[0].clone())
    };
    let (made, report) = run(0, 100);
    assert_eq!(made, run(0, 3).0, "whatever the batch");
    assert_ne!(made, run(1, 100).0, "another epoch, other wordings");
    assert_eq!(report.removed["a template can't be filled"], 1);
    assert_eq!(report.not_applied["not a question with one label"], 1);
    assert_eq!((made.len(), report.changed), (20, 19));
    for record in &made[..19] {
        let unit = &record.extra["unit"];
        let at = unit.as_u64().unwrap() as usize;
        let prompt = record.example.prompt_text().unwrap();
        let worded = [format!("Is it {at}? ({at})"), format!("In {at}: Is it {at}?")];
        assert!(worded.contains(&prompt), "{prompt}");
        assert_eq!(record.example.response_text().unwrap(), ["A", "B"][at % 2]);
        assert_eq!(record.provenance.last().unwrap().source, "template");
    }
    let firsts = made[..19].iter().filter(|r| r.example.full_text().starts_with("In")).count();
    assert!((3..17).contains(&firsts), "{firsts}");
}
