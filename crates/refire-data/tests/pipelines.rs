//! Stages together: books, bounded memory, resumable order, a page to read.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Planted, corpus, rows, texts};
use refire_data::{
    DecontaminateStage, DecontaminationConfig, Decontaminator, ExactStage, Example, NearConfig,
    NearStage, OnBad, Part, Passed, Pipeline, PipelineReport, QualityStage, ReadConfig, Reader,
    Record, SentenceConfig, SentenceStage, Stage, SubstringStage, Words, Writer, filter_map_stage,
    filter_stage,
};

fn text(text: &str) -> Record {
    Record::new(Example::LanguageModelling { content: text.into() })
}

fn stages(test: &[String]) -> Vec<Box<dyn Stage>> {
    let mut check = Decontaminator::new(DecontaminationConfig::default()).unwrap();
    test.iter().enumerate().for_each(|(i, q)| check.add("test", &i.to_string(), q));
    vec![
        filter_stage("length", |record: &Record| {
            let n = record.example.full_text().split_whitespace().count();
            (n < 31).then(|| ("too short".to_owned(), format!("{n} words")))
        }),
        Box::new(ExactStage::new(Part::Whole, Some(Words::default()))),
        Box::new(NearStage::new(Part::Whole, NearConfig::default()).unwrap()),
        Box::new(DecontaminateStage::new(check)),
    ]
}

fn run(records: &[Record], test: &[String], batch: usize) -> (Vec<String>, PipelineReport) {
    let mut pipeline = Pipeline::new(stages(test)).with_batch(batch, 2);
    let mut kept = Vec::new();
    let sink = &mut |record: Record| {
        kept.push(record.example.full_text());
        Ok(())
    };
    pipeline.run(records.to_vec(), sink).unwrap();
    let report = pipeline.report().clone();
    (kept, report)
}

#[test]
fn books_balance_whatever_the_batch() {
    let Some(test) = rows("data/gsm8k_test.jsonl") else { return };
    let test = texts(&test, "question");
    let corpus = corpus(3_000, &test, 9);
    let records: Vec<Record> = corpus.texts.iter().map(|t| text(t)).collect();
    let (kept, report) = run(&records, &test, 1000);
    for batch in [1, 7, 4096] {
        let (other, books) = run(&records, &test, batch);
        assert_eq!(other, kept, "{batch}");
        let counts =
            |r: &PipelineReport| r.stages.iter().map(|s| s.removed.clone()).collect::<Vec<_>>();
        assert_eq!(counts(&books), counts(&report));
    }
    let mut taken = report.taken;
    for stage in &report.stages {
        assert_eq!(stage.taken, taken, "{}", stage.name);
        assert_eq!(stage.given + stage.removed_total(), stage.taken, "{}", stage.name);
        taken = stage.given;
    }
    assert_eq!((taken, kept.len() as u64), (report.given, report.given));
    let leaks = corpus.planted.iter().filter(|p| matches!(p, Planted::Leak(_))).count() as u64;
    let found = report.stages[3].removed["test in the text"];
    assert!(found > 0 && found <= leaks + report.stages[2].removed_total(), "{found} {leaks}");
    for (_, shown) in report.stages.iter().flat_map(|s| &s.examples) {
        assert!(shown.len() <= 2 && shown.iter().all(|one| !one.text.is_empty()));
    }
    let back: PipelineReport = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(back.given, report.given);
    let page = report.to_html();
    for wanted in ["near-duplicates", "exact duplicate", "too short", "</html>"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(!page.contains("http"), "it needs nothing from elsewhere");
}

#[test]
fn a_page_shows_hostile_text_as_text() {
    let stage = filter_stage("<b>", |_: &Record| Some(("<script>".to_owned(), "\"&\"".to_owned())));
    let mut pipeline = Pipeline::new(vec![stage]);
    pipeline.run(vec![text("<img src=x onerror=alert(1)>")], &mut |_| Ok(())).unwrap();
    let page = pipeline.report().to_html();
    assert!(!page.contains("<script>") && !page.contains("<img") && !page.contains("<b>"));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn files_in_files_out_with_rejects() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let good = r#"{"prompt":"How many pens has Tom if he buys two and then three?","completion":"He has 2 + 3 = 5 pens.","answer":"5"}"#;
    let loops = r#"{"prompt":"How many pens has Tom if he buys two and then three?","completion":"WAIT So 5.","answer":"5"}"#.replace("WAIT", &"Wait, let me think again. ".repeat(20));
    std::fs::write(path("in.jsonl"), [good, &loops, "{broken", good].join("\n")).unwrap();
    let on_bad = OnBad::SetAside { path: path("rejects.jsonl") };
    let mut reader =
        Reader::open(&[path("in.jsonl")], ReadConfig { on_bad, ..ReadConfig::default() }).unwrap();
    let mut writer = Writer::create(path("out.jsonl")).unwrap();
    let mut pipeline = Pipeline::new(vec![
        Box::new(QualityStage::default()),
        Box::new(ExactStage::new(Part::Whole, None)),
    ]);
    let mut seen = Vec::new();
    pipeline
        .run_reader(&mut reader, &mut |record| writer.write(&record), &mut |p| seen.push(p))
        .unwrap();
    assert_eq!(writer.finish().unwrap(), 1);
    let report = pipeline.report();
    assert_eq!((report.read.bad_rows(), report.taken, report.given), (1, 3, 1));
    assert_eq!(report.stages[0].removed["loop"], 1);
    assert!(report.stages[0].examples["loop"][0].source.ends_with("in.jsonl:2"));
    assert_eq!(seen.last().map(|p| (p.taken, p.given, p.bad)), Some((3, 1, 1)));
    let out = std::fs::read_to_string(path("out.jsonl")).unwrap();
    let row: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(row["answer"], "5", "extra columns go along");
}

#[test]
fn stages_may_change_and_hold_back() {
    struct Last(Option<Record>);
    impl Stage for Last {
        fn name(&self) -> &str {
            "last"
        }
        fn run(&mut self, records: Vec<Record>) -> Result<Passed, refire_data::DataError> {
            self.0 = records.into_iter().next_back();
            Ok(Passed::default())
        }
        fn finish(&mut self) -> Result<Passed, refire_data::DataError> {
            Ok(Passed { records: self.0.take().into_iter().collect(), ..Passed::default() })
        }
    }
    let upper = |record: Record| {
        let example = Example::LanguageModelling {
            content: record.example.full_text().to_uppercase().into(),
        };
        Ok(record.derive(example, "upper case"))
    };
    let mut pipeline = Pipeline::new(vec![Box::new(Last(None)), filter_map_stage("upper", upper)])
        .with_batch(2, 1);
    let mut kept = Vec::new();
    pipeline
        .run(["a", "b", "c"].map(text), &mut |r| {
            kept.push(r);
            Ok(())
        })
        .unwrap();
    assert_eq!(kept[0].example.full_text(), "C");
    assert_eq!(kept[0].provenance[0].source, "upper case");
    assert_eq!(pipeline.report().stages[1].changed, 1);
}

#[test]
fn cutting_stages_keep_the_rest_of_a_text() {
    let boiler = "Subscribe to our newsletter today. Click on the button below. All rights are reserved here.";
    let records = [
        format!("One thing happened. {boiler}"),
        format!("Another thing. {boiler}"),
        boiler.to_owned(),
    ]
    .map(|t| text(&t));
    let mut pipeline = Pipeline::new(vec![
        Box::new(SentenceStage::new(SentenceConfig::default()).unwrap()),
        Box::new(SubstringStage::new(50, Words::default()).unwrap()),
    ]);
    let mut kept = Vec::new();
    pipeline
        .run(records, &mut |r| {
            kept.push(r.example.full_text());
            Ok(())
        })
        .unwrap();
    assert_eq!(kept[1], "Another thing. ");
    assert_eq!(kept.len(), 2);
    assert_eq!(pipeline.report().stages[0].removed["nothing left"], 1);
}
