use super::phase_name;
use crate::display::{duration, number};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use refire_core::{BoxError, Callback, Control, Event, Metrics, Stateful};
use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shows where a run is: a bar on a terminal, plain lines elsewhere.
///
/// Both go to standard error and say the step, the reward (or the loss, where there is none), the
/// accuracy if one is measured, the accuracy of the last evaluation and the time that is left:
///
/// ```text
/// rl step 120/300  reward 0.71  accuracy 0.65  eval_accuracy 0.62  eta 12m 40s
/// ```
///
/// Accuracies are the metrics `accuracy`, `mean_token_accuracy` and `eval_accuracy`. A progress
/// that can't be shown, on a closed terminal say, doesn't end the run.
///
/// ```
/// use refire_core::{Callback, Event, Phase};
/// use refire_train::Progress;
///
/// let mut progress = Progress::new().every(50);
/// progress.on_event(&Event::Start { phase: Phase::Rl, done: 0, total: 300 })?;
/// # Ok::<(), refire_core::BoxError>(())
/// ```
pub struct Progress {
    output: Output,
    every: u64,
    phase: String,
    done_before: u64,
    total: u64,
    started: Instant,
    evaluated: Option<f64>,
}

enum Output {
    Bar(ProgressBar),
    Lines(Box<dyn Write + Send>),
    Quiet,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// A bar if standard error is a terminal, else lines.
    pub fn new() -> Self {
        if std::io::stderr().is_terminal() {
            let target = ProgressDrawTarget::stderr();
            Self::with(Output::Bar(ProgressBar::with_draw_target(None, target)))
        } else {
            Self::lines(std::io::stderr())
        }
    }

    /// Plain lines to a writer of your own.
    pub fn lines(writer: impl Write + Send + 'static) -> Self {
        Self::with(Output::Lines(Box::new(writer)))
    }

    /// Shows nothing.
    pub fn quiet() -> Self {
        Self::with(Output::Quiet)
    }

    /// Steps between two plain lines, 10 unless told; the first and the last step have one anyway,
    /// and with 0 no other has. The bar moves at each step.
    pub fn every(mut self, steps: u64) -> Self {
        self.every = steps;
        self
    }

    fn with(output: Output) -> Self {
        let (phase, started) = (String::new(), Instant::now());
        Self { output, every: 10, phase, done_before: 0, total: 0, started, evaluated: None }
    }

    fn start(&mut self, phase: String, done: u64, total: u64) {
        self.evaluated = None;
        self.started = Instant::now();
        (self.phase, self.done_before, self.total) = (phase, done, total);
        if let Output::Bar(bar) = &self.output {
            bar.set_style(style());
            bar.set_prefix(self.phase.clone());
            bar.set_message("");
            bar.set_length(total);
            bar.reset();
            bar.set_position(done);
            // Steps of a former run say nothing about the speed of this one.
            bar.reset_eta();
        } else if done > 0 {
            self.say(&format!("{} goes on after step {done}/{total}", self.phase));
        }
    }

    fn step(&mut self, step: u64, metrics: &Metrics) {
        let fields = self.fields(metrics);
        if let Output::Bar(bar) = &self.output {
            bar.set_message(fields);
            bar.set_position(step);
            return;
        }
        let first = step == self.done_before + 1;
        if first || step == self.total || step.is_multiple_of(self.every) {
            let eta = duration(self.left(step));
            self.say(&format!("{} step {step}/{}{fields}  eta {eta}", self.phase, self.total));
        }
    }

    fn evaluation(&mut self, step: u64, metrics: &Metrics) {
        self.evaluated = metrics.get("eval_accuracy");
        let times = |name: &str| name.ends_with("_seconds");
        let values = metrics.iter().filter(|(name, _)| !times(name));
        let values: String = values.map(|(name, value)| field(name, value)).collect();
        self.say(&format!("{} evaluated after step {step}{values}", self.phase));
    }

    fn end(&mut self, step: u64, interrupted: bool) {
        if let Output::Bar(bar) = &self.output {
            bar.abandon();
        }
        let how = if interrupted { "stopped" } else { "finished" };
        let time = duration(self.started.elapsed());
        self.say(&format!("{} {how} after step {step}/{} in {time}", self.phase, self.total));
    }

    fn fields(&self, metrics: &Metrics) -> String {
        let first = |names: &[&'static str]| {
            let value = names.iter().find_map(|name| metrics.get(name).map(|v| (*name, v)));
            value.map(|(name, v)| field(name, v)).unwrap_or_default()
        };
        let evaluated = self.evaluated.map(|v| field("eval_accuracy", v)).unwrap_or_default();
        first(&["reward", "loss"]) + &first(&["accuracy", "mean_token_accuracy"]) + &evaluated
    }

    fn left(&self, step: u64) -> Duration {
        let made = step.saturating_sub(self.done_before).max(1);
        let ratio = self.total.saturating_sub(step) as f64 / made as f64;
        let seconds = self.started.elapsed().as_secs_f64() * ratio;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    fn say(&mut self, line: &str) {
        match &mut self.output {
            Output::Bar(bar) => bar.println(line),
            Output::Lines(writer) => {
                let _ = writeln!(writer, "{line}").and_then(|()| writer.flush());
            }
            Output::Quiet => {}
        }
    }
}

const BAR: &str = "{prefix} [{bar:24}] {pos}/{len}{msg}  eta {eta}";

fn style() -> ProgressStyle {
    ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn field(name: &str, value: f64) -> String {
    format!("  {name} {}", number(value, 4))
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let output = match self.output {
            Output::Bar(_) => "bar",
            Output::Lines(_) => "lines",
            Output::Quiet => "quiet",
        };
        f.debug_struct("Progress")
            .field("output", &output)
            .field("every", &self.every)
            .field("phase", &self.phase)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Stateful for Progress {}

impl Callback for Progress {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        match event {
            Event::Start { phase, done, total } => self.start(phase_name(*phase), *done, *total),
            Event::Step { step, metrics } => self.step(*step, metrics),
            Event::Evaluation { step, metrics } => self.evaluation(*step, metrics),
            Event::End { step, interrupted } => self.end(*step, *interrupted),
            _ => {}
        }
        Ok(Control::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refire_core::{Metric, Phase};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn metrics(values: &[(&'static str, f64)]) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.extend(values.iter().map(|(name, value)| Metric::mean(*name, *value, 1.0)));
        metrics
    }

    fn run(progress: &mut Progress, done: u64, total: u64, to: u64) {
        let mut send = |event: Event<'_>| progress.on_event(&event).unwrap();
        send(Event::Start { phase: Phase::Rl, done, total });
        for step in done + 1..=to {
            let m = metrics(&[("loss", 2.0), ("reward", step as f64 / 8.0), ("accuracy", 0.5)]);
            send(Event::Step { step, metrics: &m });
            if step == 4 {
                let m = metrics(&[("eval_accuracy", 0.75), ("eval_seconds", 3.0)]);
                send(Event::Evaluation { step, metrics: &m });
            }
        }
        send(Event::End { step: to, interrupted: to < total });
    }

    #[test]
    fn lines_come_every_n_steps_and_at_both_ends() {
        let shared = Shared::default();
        run(&mut Progress::lines(shared.clone()).every(3), 2, 9, 8);
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        let expected = "\
rl goes on after step 2/9
rl step 3/9  reward 0.375  accuracy 0.5  eta 0s
rl evaluated after step 4  eval_accuracy 0.75
rl step 6/9  reward 0.75  accuracy 0.5  eval_accuracy 0.75  eta 0s
rl stopped after step 8/9 in 0s
";
        assert_eq!(text, expected);
        let shared = Shared::default();
        run(&mut Progress::lines(shared.clone()).every(0), 0, 5, 5);
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text.lines().filter(|line| line.contains(" step ") && line.contains("eta")).count(),
            2
        );
        assert!(text.ends_with("rl finished after step 5/5 in 0s\n"), "{text}");
    }

    #[test]
    fn a_bar_follows_the_steps_and_starts_where_the_run_goes_on() {
        ProgressStyle::with_template(BAR).unwrap();
        let bar = ProgressBar::hidden();
        let mut progress = Progress::with(Output::Bar(bar.clone()));
        run(&mut progress, 2, 9, 8);
        assert_eq!((bar.position(), bar.length()), (8, Some(9)));
        assert_eq!(bar.message(), "  reward 1  accuracy 0.5  eval_accuracy 0.75");
        assert_eq!(bar.prefix(), "rl");
        assert!(bar.is_finished());
        let start = Event::Start { phase: Phase::Sft, done: 0, total: 3 };
        progress.on_event(&start).unwrap();
        assert!(!bar.is_finished(), "a second phase goes on with the same bar");
        assert_eq!((bar.position(), bar.length()), (0, Some(3)));
    }

    #[test]
    fn a_writer_that_fails_does_not_end_the_run() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("closed"))
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::Error::other("closed"))
            }
        }
        run(&mut Progress::lines(Broken), 0, 3, 3);
    }
}
