use super::*;
use crate::TrainError;
use refire_core::{
    BoxError, Callback, Completion, Event, Finish, Group, Metric, Metrics, Phase, Prompt, Request,
    Score,
};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

const FILES: [&str; 2] = ["metrics.jsonl", "completions.jsonl"];

fn metrics(phase: Phase, step: u64, seconds: f64) -> Metrics {
    let mut metrics = Metrics::default();
    metrics.add(Metric::sum("step_seconds", seconds));
    metrics.add(Metric::mean("reward", step as f64 / 3.0, 1.0));
    metrics.add(Metric::mean("nothing", 0.0, 0.0));
    metrics.add(Metric::mean("loss", f64::from(phase == Phase::Rl) + 0.1, 1.0));
    metrics
}

fn group(step: u64) -> Group {
    let completion = |sample: usize| Completion {
        tokens: vec![1; sample + 1],
        loss_mask: vec![true; sample + 1],
        model_logprobs: vec![0.0; sample + 1],
        behaviour_logprobs: vec![0.0; sample + 1],
        versions: vec![0; sample + 1],
        turns: Vec::new(),
        text: format!("\"é\"\n{step}.{sample}"),
        finish: if sample == 0 { Finish::EndToken { token: 2 } } else { Finish::Length },
    };
    let prompt = Prompt { id: 40 + step, text: "why?".into(), ..Prompt::default() };
    let request = Request { prompt, n: 2, ..Request::default() };
    Group { request, completions: vec![completion(0), completion(1)] }
}

fn scores() -> Vec<Score> {
    let parts = vec![("correct".to_owned(), 1.0), ("a format".to_owned(), 0.5)];
    let value = Score::Value { total: 1.25, parts, per_token: None };
    vec![value, Score::unscorable("no reference")]
}

struct Run {
    callbacks: Vec<Box<dyn Callback>>,
    seconds: f64,
}

impl Run {
    /// A new process in the folder: callbacks without memory.
    fn new(folder: &Path, seconds: f64) -> Self {
        let config = CompletionsLogConfig::default();
        let completions = CompletionsLog::new(folder, config).unwrap();
        Self { callbacks: vec![Box::new(MetricsLog::new(folder)), Box::new(completions)], seconds }
    }

    fn send(&mut self, event: &Event<'_>) {
        self.callbacks.on_event(event).unwrap();
    }

    fn steps(&mut self, phase: Phase, done: u64, last: u64) {
        self.send(&Event::Start { phase, done, total: 9 });
        if done == 0 {
            self.send(&Event::Evaluation { step: 0, metrics: &metrics(phase, 0, self.seconds) });
        }
        for step in done + 1..=last {
            let (groups, scores) = ([group(step)], [scores()]);
            self.send(&Event::Rollouts { step, groups: &groups, scores: &scores });
            self.send(&Event::Step { step, metrics: &metrics(phase, step, self.seconds) });
            if step % 2 == 0 {
                self.send(&Event::Evaluation {
                    step,
                    metrics: &metrics(phase, step, self.seconds),
                });
            }
        }
    }
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The log without its times, which stand last.
fn without_times(text: &str) -> String {
    let lines = text.lines().map(|line| {
        line.split_once(",\"step_seconds\"").map_or(line.to_owned(), |(head, _)| head.to_owned())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn append(folder: &Path, name: &str, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(folder.join(name)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn lines_have_stable_keys_and_times_come_last() {
    let folder = tempfile::tempdir().unwrap();
    Run::new(folder.path(), 0.5).steps(Phase::Sft, 0, 1);
    let expected = "\
{\"phase\":\"sft\",\"step\":0,\"loss\":0.1,\"reward\":0.0,\"step_seconds\":0.5}
{\"phase\":\"sft\",\"step\":1,\"loss\":0.1,\"reward\":0.3333333333333333,\"step_seconds\":0.5}
";
    assert_eq!(read(folder.path(), FILES[0]), expected);
    let expected = "\
{\"phase\":\"sft\",\"step\":1,\"prompt_id\":41,\"sample\":0,\"prompt\":\"why?\",\
\"completion\":\"\\\"é\\\"\\n1.0\",\"tokens\":1,\"finish\":\"end_token\",\"reward\":1.25,\
\"parts\":{\"correct\":1.0,\"a format\":0.5}}
{\"phase\":\"sft\",\"step\":1,\"prompt_id\":41,\"sample\":1,\"prompt\":\"why?\",\
\"completion\":\"\\\"é\\\"\\n1.1\",\"tokens\":2,\"finish\":\"length\",\"reward\":null,\
\"parts\":{},\"reason\":\"no reference\"}
";
    assert_eq!(read(folder.path(), FILES[1]), expected);
}

#[test]
fn a_killed_and_resumed_run_leaves_the_bytes_of_the_uninterrupted_one() {
    let whole = tempfile::tempdir().unwrap();
    let mut run = Run::new(whole.path(), 0.5);
    run.steps(Phase::Sft, 0, 3);
    run.steps(Phase::Rl, 0, 7);
    for killed_after in 0..7 {
        for resumed_from in 0..=killed_after {
            for torn in [&b""[..], b"{\"phase\":\"rl\",\"step\":6,\"lo", b"{", b"\xc3"] {
                let folder = tempfile::tempdir().unwrap();
                let mut run = Run::new(folder.path(), 0.25);
                run.steps(Phase::Sft, 0, 3);
                run.steps(Phase::Rl, 0, killed_after);
                drop(run);
                FILES.iter().for_each(|name| append(folder.path(), name, torn));
                Run::new(folder.path(), 0.125).steps(Phase::Rl, resumed_from, 7);
                for name in FILES {
                    let found = read(folder.path(), name);
                    assert_eq!(
                        without_times(&found),
                        without_times(&read(whole.path(), name)),
                        "{name}, killed after {killed_after}, resumed from {resumed_from}"
                    );
                    assert!(found.ends_with("}\n"));
                }
                let files = fs::read_dir(folder.path()).unwrap().count();
                assert_eq!(files, 2, "no temporary file is left");
            }
        }
    }
}

#[test]
fn going_back_to_the_first_phase_drops_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path(), 0.5);
    run.steps(Phase::Sft, 0, 3);
    let first = FILES.map(|name| read(folder.path(), name));
    run.steps(Phase::Rl, 0, 2);
    Run::new(folder.path(), 0.5).steps(Phase::Sft, 2, 3);
    assert_eq!(FILES.map(|name| read(folder.path(), name)), first);
}

#[test]
fn a_last_line_that_lacks_only_its_end_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    Run::new(folder.path(), 0.5).steps(Phase::Rl, 0, 2);
    let path = folder.path().join(FILES[0]);
    let text = read(folder.path(), FILES[0]);
    fs::write(&path, text.trim_end()).unwrap();
    Run::new(folder.path(), 0.5).send(&Event::Start { phase: Phase::Rl, done: 2, total: 9 });
    assert_eq!(read(folder.path(), FILES[0]), text);
}

fn start(callback: &mut dyn Callback, done: u64) -> Result<(), BoxError> {
    callback.on_event(&Event::Start { phase: Phase::Rl, done, total: 9 }).map(|_| ())
}

#[test]
fn a_corrupt_line_in_the_middle_is_named_and_the_file_left_alone() {
    for corrupt in
        ["{\"phase\":\"rl\",\"st", "", "[1]", "{\"step\":1}", "{\"phase\":\"rl\",\"step\":-1}"]
    {
        let folder = tempfile::tempdir().unwrap();
        Run::new(folder.path(), 0.5).steps(Phase::Rl, 0, 2);
        append(folder.path(), FILES[0], format!("{corrupt}\n").as_bytes());
        append(folder.path(), FILES[0], b"{\"phase\":\"rl\",\"step\":3}\n");
        let before = read(folder.path(), FILES[0]);
        let error = start(&mut MetricsLog::new(folder.path()), 2).unwrap_err();
        let text = error.to_string();
        let line = before.lines().count() - 1;
        assert!(
            text.contains("metrics.jsonl`, line") && text.contains(&line.to_string()),
            "{text}"
        );
        assert_eq!(read(folder.path(), FILES[0]), before);
    }
}

#[test]
fn numbers_that_are_not_finite_are_null_and_numbers_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = MetricsLog::new(folder.path());
    start(&mut log, 0).unwrap();
    let mut metrics = Metrics::default();
    metrics.add(Metric::mean("a", f64::NAN, 1.0));
    metrics.add(Metric::max("b", f64::INFINITY));
    metrics.add(Metric::sum("c", 0.1 + 0.2));
    log.on_event(&Event::Step { step: 1, metrics: &metrics }).unwrap();
    let expected =
        "{\"phase\":\"rl\",\"step\":1,\"a\":null,\"b\":null,\"c\":0.30000000000000004}\n";
    assert_eq!(read(folder.path(), FILES[0]), expected);
}

#[test]
fn events_before_the_start_and_metrics_with_names_of_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = MetricsLog::new(folder.path());
    let mut metrics = Metrics::default();
    let error = log.on_event(&Event::Step { step: 1, metrics: &metrics }).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(TrainError::NotStarted { event: "Step", .. })));
    start(&mut log, 0).unwrap();
    metrics.add(Metric::sum("step", 1.0));
    let error = log.on_event(&Event::Step { step: 1, metrics: &metrics }).unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(TrainError::MetricName { name }) if name == "step")
    );
    let mut log = CompletionsLog::new(folder.path(), CompletionsLogConfig::default()).unwrap();
    let event = Event::Rollouts { step: 1, groups: &[], scores: &[] };
    let error = log.on_event(&event).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(TrainError::NotStarted { .. })));
}

#[test]
fn completions_are_written_as_often_and_as_many_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let config = CompletionsLogConfig { every: 3, max_groups: Some(2) };
    let mut log = CompletionsLog::new(folder.path(), config).unwrap();
    start(&mut log, 0).unwrap();
    let groups = [group(1), group(2), group(3)];
    let scores = [scores(), scores(), scores()];
    for step in 1..=7 {
        log.on_event(&Event::Rollouts { step, groups: &groups, scores: &scores }).unwrap();
    }
    let text = read(folder.path(), FILES[1]);
    let count = |step| text.matches(&format!("\"step\":{step},")).count();
    assert_eq!([1, 2, 3, 4, 5, 6, 7].map(count), [4, 0, 4, 0, 0, 4, 0]);
    assert!(!text.contains("\"prompt_id\":43"), "the third group is left out");
}

#[test]
fn scores_that_do_not_fit_and_bad_configurations_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = CompletionsLog::new(folder.path(), CompletionsLogConfig::default()).unwrap();
    start(&mut log, 0).unwrap();
    let groups = [group(1)];
    for scores in [vec![], vec![vec![Score::value(1.0)]]] {
        let event = Event::Rollouts { step: 1, groups: &groups, scores: &scores };
        let error = log.on_event(&event).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(TrainError::Count { .. })), "{error}");
    }
    assert_eq!(read(folder.path(), FILES[1]), "");
    let config = CompletionsLogConfig { every: 0, max_groups: Some(0) };
    assert_eq!(config.validate().len(), 2);
    assert!(CompletionsLog::new(folder.path(), config).is_err());
}
