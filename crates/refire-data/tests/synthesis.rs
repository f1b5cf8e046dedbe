//! Recipes over a scripted engine.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/scripted.rs"]
mod scripted;

use refire_core::{
    BoxError, Flow, Group, Purpose, Request, RolloutEngine, RolloutEvent, SamplingParams, Stateful,
    Stream, WeightUpdate,
};
use refire_data::{
    Asker, Critique, DocumentQa, DraftRevise, Example, Guidance, KeepTraces, Pipeline,
    RationaleMemory, Recipe, Record, Stage, SynthesisStage, WeakToStrong, filter_stage,
};
use scripted::{Scripted, encode};

fn with<T>(
    script: impl FnMut(&str, u64, usize) -> String + Send,
    run: impl FnOnce(&mut Asker<'_>) -> T,
) -> (T, Vec<Request>) {
    let mut engine = Scripted(script, Vec::new());
    let result = run(&mut Asker::new(&mut engine, &encode, SamplingParams::default()));
    (result, engine.1)
}

fn question(text: &str) -> Record {
    Record::new(Example::Verifiable {
        prompt: text.into(),
        answer: "5".into(),
        verifier: String::new(),
    })
}

fn completion(record: &Record) -> String {
    record.example.response_text().unwrap()
}

#[test]
fn drafts_are_grounded_and_revised() {
    let script = |prompt: &str, _: u64, _: usize| match prompt {
        p if p.contains("Facts: the sky is green") => "It is green.".to_owned(),
        p if p.contains("Facts:") => "It is blue.".to_owned(),
        p if p.contains("endless") => "and so on…".to_owned(),
        _ => "I guess it is blue.".to_owned(),
    };
    let questions = [
        (question("Which colour has the sky?"), "the sky is green".to_owned()),
        (question("An endless question"), "none".to_owned()),
        (question("Which colour has the sea?"), "the sea is blue".to_owned()),
    ];
    let recipe = DraftRevise::new().unwrap();
    let accept = |_: &Record, thought: &str| thought.contains("green");
    let (made, requests) = with(script, |asker| recipe.run(asker, &questions, &accept).unwrap());
    assert_eq!(made.iter().map(completion).collect::<Vec<_>>(), ["It is green."]);
    assert_eq!(made[0].provenance[0].source, "synthesis: draft, ground, revise");
    assert_eq!(requests.len(), 5, "a draft that was cut off isn't revised");
    assert!(requests[3].prompt.text.contains("I guess it is blue."));
    assert_ne!(requests[0].visit, requests[3].visit, "rounds draw differently");
}

#[test]
fn critiques_go_on_until_nothing_is_found() {
    let script = |prompt: &str, _: u64, _: usize| match prompt {
        p if p.contains("Rewrite the answer") => {
            if p.contains("better") { "best" } else { "better" }.to_owned()
        }
        p if p.contains("Say which principle") => match p {
            p if p.contains("Answer: best") || p.contains("fine") => "OK",
            p if p.contains("stubborn") => "It is rude.",
            _ => "It could be kinder.",
        }
        .to_owned(),
        p if p.contains("fine") => "fine".to_owned(),
        _ => "rude".to_owned(),
    };
    let questions = [question("first"), question("fine"), question("stubborn")];
    let recipe = Critique { rounds: 3, ..Critique::new(vec!["Be kind.".to_owned()]).unwrap() };
    let (made, requests) = with(script, |asker| recipe.run(asker, &questions).unwrap());
    let seen: Vec<_> =
        made.iter().map(|r| (completion(&r.record), r.revisions, r.settled)).collect();
    assert_eq!(
        seen,
        [("best".to_owned(), 2, true), ("fine".to_owned(), 0, true), ("best".to_owned(), 3, true)]
            .map(|(a, b, c)| if b == 3 { (a, 2, true) } else { (a, b, c) })
    );
    assert!(made[1].pair.is_none());
    let Example::Preference { chosen, rejected, .. } = &made[0].pair.as_ref().unwrap().example
    else {
        panic!()
    };
    assert_eq!((chosen.text().as_ref(), rejected.text().as_ref()), ("best", "rude"));
    assert!(requests.iter().any(|r| r.prompt.text.contains("Be kind.")));
    assert!(Critique::new(Vec::new()).is_err());
}

#[test]
fn documents_become_questions_and_answers() {
    let script = |prompt: &str, _: u64, _: usize| {
        if prompt.starts_with("Write 2 questions") {
            "1. Who was it?\n- not a question\n2) When was it?\n3. Why?".to_owned()
        } else if prompt.contains("When") {
            "UNANSWERABLE".to_owned()
        } else {
            format!("Answer to: {}", prompt.lines().last().unwrap())
        }
    };
    let document = Record::new(Example::LanguageModelling {
        content: "Ada wrote it. It was new. Nobody read it for long.".into(),
    });
    let recipe = DocumentQa { count: 2, words: 6, ..DocumentQa::new().unwrap() };
    let (made, requests) = with(script, |asker| recipe.run(asker, &document).unwrap());
    assert_eq!(requests.len(), 2 + 4);
    assert_eq!(made.iter().map(completion).collect::<Vec<_>>(), ["Answer to: Who was it?"; 2]);
    assert_eq!(made[0].extra["passage"], "Ada wrote it. It was new.");
    let mut ids: Vec<u64> = requests.iter().map(|r| r.prompt.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6, "each has draws of its own");
}

#[test]
fn guidance_neither_calculates_nor_tells() {
    let script = |prompt: &str, _: u64, _: usize| {
        match prompt {
            p if p.ends_with("a") => "Find the price, then multiply.",
            p if p.ends_with("b") => "First 2+3=5, then go on.",
            p if p.ends_with("c") => "It comes to 5 in the end.",
            _ => "Take the 5 apples and halve them.",
        }
        .to_owned()
    };
    let questions = ["a", "b", "c", "There are 5 apples"].map(question);
    let (made, _) = with(script, |asker| Guidance::new().unwrap().run(asker, &questions).unwrap());
    let kept: Vec<String> = made.iter().map(|r| r.example.prompt_text().unwrap()).collect();
    assert_eq!(kept, ["a", "There are 5 apples"]);
}

#[test]
fn rationales_follow_their_posterior() {
    // Three rationales with likelihoods 0.8, 0.4 and 0; the model proposes them equally often.
    let script = |prompt: &str, visit: u64, _: usize| {
        let draw = Stream::new(prompt.len() as u64, Purpose::named("script"), visit, 0, 0).below(3);
        ["good", "fair", "bad"][draw].to_owned()
    };
    let loglik = |_: u64, text: &str| match text {
        "good" => 0.8_f64.ln(),
        "fair" => 0.4_f64.ln(),
        _ => f64::NEG_INFINITY,
    };
    let questions: Vec<(u64, String)> = (0..40).map(|id| (id, "?".repeat(id as usize))).collect();
    let (counts, _) = with(script, |asker| {
        let mut memory = RationaleMemory::new(1);
        let mut counts = [0_u32; 2];
        for round in 0..400 {
            memory.step(asker, &questions, &loglik).unwrap();
            if round > 20 {
                for id in 0..40 {
                    match memory.get(id) {
                        Some("good") => counts[0] += 1,
                        Some("fair") => counts[1] += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        let mut copy = RationaleMemory::new(1);
        copy.restore(&memory.state().unwrap()).unwrap();
        assert_eq!(copy.state().unwrap(), memory.state().unwrap());
        counts
    });
    let share = f64::from(counts[0]) / f64::from(counts[0] + counts[1]);
    assert!((share - 2.0 / 3.0).abs() < 0.05, "{share}");
}

#[test]
fn a_weak_model_labels_itself() {
    let script = |prompt: &str, _: u64, sample: usize| match (prompt, sample) {
        ("split", _) => format!("thinking: {sample}"),
        ("cut", _) => "thinking: 5…".to_owned(),
        (_, 0..3) => "thinking: 5".to_owned(),
        _ => "thinking: 6".to_owned(),
    };
    let answer_of = |text: &str| text.strip_prefix("thinking: ").map(str::to_owned);
    let questions = ["plain", "split", "cut"].map(question);
    for (keep, expected) in [(KeepTraces::Right, 3), (KeepTraces::Wrong, 1), (KeepTraces::All, 4)] {
        let recipe = WeakToStrong { samples: 4, keep, agreement: 0.5 };
        let (made, _) = with(script, |asker| recipe.run(asker, &questions, &answer_of).unwrap());
        assert_eq!(made.len(), expected, "{keep:?}");
        assert_eq!(made[0].extra["self_label"], "5");
        assert_eq!(made[0].extra["agreement"], 0.75);
    }
}

#[test]
fn an_engine_that_returns_too_little_is_an_error() {
    struct Lazy;
    impl RolloutEngine for Lazy {
        fn generate(
            &mut self,
            _: &[Request],
            _: &mut dyn FnMut(RolloutEvent<'_>) -> Flow,
        ) -> Result<Vec<Group>, BoxError> {
            Ok(Vec::new())
        }
        fn refresh(&mut self, _: &WeightUpdate<'_>) -> Result<(), BoxError> {
            Ok(())
        }
        fn release(&mut self) {}
        fn weights_version(&self) -> u64 {
            0
        }
    }
    let mut engine = Lazy;
    let mut asker = Asker::new(&mut engine, &encode, SamplingParams::default());
    let error = asker.ask_one(&[(1, "a".to_owned())]).unwrap_err().to_string();
    assert_eq!(error, "groups of the engine: 0 entries, expected 1");
}

/// A recipe as a stage, over a script.
fn stage(
    recipe: impl Recipe + 'static,
    script: impl FnMut(&str, u64, usize) -> String + Send + 'static,
) -> Box<dyn Stage> {
    let engine = Box::new(Scripted(script, Vec::new()));
    Box::new(SynthesisStage::new(recipe, engine, encode, SamplingParams::default()))
}

/// Runs one stage over questions: what was made, and how often nothing was, by reason.
fn through(stage: Box<dyn Stage>, records: &[Record]) -> (Vec<String>, Vec<(String, u64)>) {
    let long = |record: &Record| {
        (completion(record).len() > 200).then(|| ("too long".to_owned(), String::new()))
    };
    let mut pipeline = Pipeline::new(vec![stage, filter_stage("length", long)]).with_batch(2, 1);
    let mut made = Vec::new();
    let sink = &mut |record: Record| {
        made.push(completion(&record));
        Ok(())
    };
    pipeline.run(records.to_vec(), sink).unwrap();
    let removed = &pipeline.report().stages[0].removed;
    (made, removed.iter().map(|(reason, count)| (reason.clone(), *count)).collect())
}

#[test]
fn recipes_are_stages_that_keep_the_books() {
    let one = |reason: &str| vec![(reason.to_owned(), 1)];
    let questions = ["a", "b", "c"].map(question);

    let script = |prompt: &str, _: u64, _: usize| {
        if prompt.ends_with('b') { "2 + 3 = 5" } else { "Find the price." }.to_owned()
    };
    let (made, removed) = through(stage(Guidance::new().unwrap(), script), &questions);
    assert_eq!((made.len(), removed), (2, one("the guidance calculates")));

    let script = |prompt: &str, _: u64, _: usize| {
        if prompt.contains("Facts: sky") { "blue" } else { "a guess" }.to_owned()
    };
    let mut grounded = questions.clone();
    for record in &mut grounded[..2] {
        record.extra.insert("context".to_owned(), "sky".into());
    }
    let (made, removed) = through(stage(DraftRevise::new().unwrap(), script), &grounded);
    assert_eq!((made, removed), (vec!["blue".to_owned(); 2], one("there is no context")));

    let critique = Critique::new(vec!["Be kind.".to_owned()]).unwrap();
    let script = |prompt: &str, _: u64, _: usize| match prompt {
        "b" => "and so on…".to_owned(),
        p if p.contains("Say which principle") => "OK".to_owned(),
        _ => "fine".to_owned(),
    };
    let (made, removed) = through(stage(critique, script), &questions);
    assert_eq!((made, removed), (vec!["fine".to_owned(); 2], one("the answer was cut off")));

    let documents = ["Ada wrote it.", "Nobody knows."]
        .map(|text| Record::new(Example::LanguageModelling { content: text.into() }));
    let script = |prompt: &str, _: u64, _: usize| match prompt {
        p if p.starts_with("Write") && p.contains("Ada") => "1. Who?\n2. What?".to_owned(),
        p if p.starts_with("Write") => "nothing to ask".to_owned(),
        _ => "Ada.".to_owned(),
    };
    let (made, removed) = through(stage(DocumentQa::new().unwrap(), script), &documents);
    assert_eq!((made, removed), (vec!["Ada.".to_owned(); 2], one("no question was answered")));

    let script = |prompt: &str, _: u64, sample: usize| {
        if prompt == "b" { sample.to_string() } else { "5".to_owned() }
    };
    let recipe = (WeakToStrong { samples: 3, ..WeakToStrong::default() }, |text: &str| {
        Some(text.to_owned())
    });
    let (made, removed) = through(stage(recipe, script), &questions);
    assert_eq!((made.len(), removed), (6, one("the traces disagree")));

    let judge = |record: &Record, rationale: &str| {
        let right = record.example.prompt_text().unwrap() != "b" && rationale == "because";
        if right { 0.0 } else { f64::NEG_INFINITY }
    };
    let script = |_: &str, _: u64, _: usize| "because".to_owned();
    let (made, removed) = through(stage((RationaleMemory::new(1), judge), script), &questions);
    assert_eq!(made, ["because"; 2]);
    assert_eq!(removed, one("no rationale explains the answer"));
}

#[test]
fn no_two_batches_of_a_stage_draw_the_same() {
    let script = |_: &str, visit: u64, _: usize| format!("round {visit}");
    let mut whole = stage(Guidance::new().unwrap(), script);
    let mut run = |text: &str| completion(&whole.run(vec![question(text)]).unwrap().records[0]);
    assert_eq!((run("a"), run("a")), ("round 0".to_owned(), "round 1".to_owned()));
    let engine = Box::new(Scripted(script, Vec::new()));
    let recipe = Guidance::new().unwrap();
    let resumed = SynthesisStage::new(recipe, engine, encode, SamplingParams::default());
    let mut resumed = resumed.with_round(2);
    let made = resumed.run(vec![question("a")]).unwrap();
    assert_eq!((completion(&made.records[0]).as_str(), resumed.round()), ("round 2", 3));
}
