//! A small language model learns to solve arithmetic puzzles, from nothing, in about two minutes.
//!
//! Countdown: combine three numbers, each once, into a target. A decoder of about 230 thousand
//! parameters first reads worked solutions (supervised warm-up), then practises on its own, with a
//! reward of 1 for a right solution and 0 for anything else (DAPO). Accuracy is measured on
//! problems that neither phase has seen, in no order of their numbers.
//!
//! `cargo run --release --example quickstart -- --help`

use clap::Parser;
use refire::burn::module::Module;
use refire::burn::tensor::Device;
use refire::core::{
    BoxError, Completion, Finish, Flow, Request, RolloutEngine, SamplingParams, WeightUpdate,
};
use refire::grpo::preset;
use refire::model::{AdamWConfig, Decoder, Learner, LearnerConfig, TinyLlama, WeightHandle};
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use refire::sft::loss::Nll;
use refire::tasks::Tally;
use refire::tasks::countdown::{
    Codec, Config, CountdownReward, Problem, Prompts, WarmUp, split, verify,
};
use refire::train::{
    CompletionsLog, CompletionsLogConfig, Decay, HeldOut, Interrupt, MetricsLog, MicroBatch,
    Outcome, Progress, Refill, Report, RlConfig, RlTrainer, RolloutStage, Sample, Schedule,
    SftConfig, SftTrainer, ShowRows,
};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Held-out problems.
const HELD_OUT: usize = 450;
/// Samples per held-out problem, at temperature 1.
const SAMPLES: usize = 16;
/// Longest solution, in tokens: two steps of six.
const MAX_TOKENS: usize = 13;
const SFT_STEPS: u64 = 700;
const RL_STEPS: u64 = 600;

#[derive(Parser)]
#[command(about = "A small language model learns to solve arithmetic puzzles")]
struct Args {
    /// Seed of the weights, the data and every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Scales the number of steps of both phases.
    #[arg(long, default_value_t = 1.0)]
    budget: f64,
    /// The control: supervised steps only, as many as given.
    #[arg(long)]
    sft_only: Option<u64>,
    /// Where logs and the report go.
    #[arg(long, default_value = "runs/quickstart")]
    out: PathBuf,
    /// Write every held-out problem with its completions to this file.
    #[arg(long)]
    dump: Option<PathBuf>,
}

/// What both phases share.
struct Quickstart {
    args: Args,
    codec: Codec,
    train: Vec<Problem>,
    held_out: Vec<Problem>,
}

fn main() -> Result<(), BoxError> {
    let clock = Instant::now();
    let args = Args::parse();
    std::fs::create_dir_all(&args.out)?;
    let rules = Config { max_number: 13, ..Config::default() };
    let codec = Codec::new(rules.max_value);
    let (train, held_out) = split(rules.problems()?, HELD_OUT, args.seed)?;
    let quickstart = Quickstart { args, codec, train, held_out };
    let decoder = quickstart.untrained();
    println!("The task is Countdown: combine three numbers, each once, into a target.");
    println!("  \"3 4 5>27\" is solved by \"4+5=9;3*9=27.\"");
    println!(
        "  {} problems to train on, {} held out. The model has {} parameters and knows nothing.",
        quickstart.train.len(),
        quickstart.held_out.len(),
        decoder.num_params()
    );

    println!("\nPhase 1, supervised: it reads worked solutions and learns their form.");
    let weights = quickstart.supervised(decoder)?;
    let before = quickstart.examine(&weights)?;
    println!("  {}", before.sentence());

    println!(
        "\nPhase 2, practice: it solves problems on its own; what turns out right is reinforced."
    );
    let weights = match quickstart.args.sft_only {
        Some(_) => weights,
        None => quickstart.practice(weights.with(|decoder, _| decoder.valid())?)?,
    };
    let after = quickstart.examine(&weights)?;
    println!("  {}", after.sentence());

    let samples = samples(&before, &after);
    println!("\nThree held-out problems, before and after:");
    for s in samples.iter().take(3) {
        let mark = |right| if right { "right" } else { "wrong" };
        println!("  {}", s.problem);
        println!("    before  {:<26} {}", s.before, mark(s.correct_before));
        println!("    after   {:<26} {}", s.after, mark(s.correct_after));
    }
    if let Some(path) = &quickstart.args.dump {
        dump(path, &before, &after)?;
    }
    let path = quickstart.args.out.join("report.html");
    report(&quickstart.args.out, &path, &before, &after, samples)?;
    println!("\nThe report, with curves: {}", path.display());
    println!(
        "held-out accuracy: before {:.3} after {:.3} greedy {:.3} {:.3} seconds {:.0}",
        before.tally.accuracy(),
        after.tally.accuracy(),
        before.tally.greedy().unwrap_or(0.0),
        after.tally.greedy().unwrap_or(0.0),
        clock.elapsed().as_secs_f64()
    );
    Ok(())
}

impl Quickstart {
    fn untrained(&self) -> Decoder {
        let shape = TinyLlama {
            vocab_size: self.codec.vocab_size(),
            intermediate_size: 256,
            end_token: self.codec.end_token(),
            ..TinyLlama::default()
        };
        Decoder::init(&shape.config(), self.args.seed, &Device::flex())
    }

    fn steps(&self, full: u64) -> u64 {
        ((full as f64 * self.args.budget).round() as u64).max(2)
    }

    /// Supervised warm-up: likelihood of worked solutions.
    fn supervised(&self, decoder: Decoder) -> Result<WeightHandle, BoxError> {
        let learner = learner(decoder);
        let weights = learner.handle();
        let config = SftConfig {
            steps: self.args.sft_only.unwrap_or_else(|| self.steps(SFT_STEPS)),
            rows_per_step: 128,
            micro_batch: MICRO_BATCH,
            learning_rate: 2e-3,
            schedule: Schedule { warmup_steps: 20, decay: Decay::Cosine { final_fraction: 0.1 } },
            evaluate_every: 100,
            ..SftConfig::default()
        };
        let rows = WarmUp::new(self.train.clone(), self.codec, 99, self.args.seed)?;
        let codec = self.codec;
        let rows = ShowRows::new(rows, 1, move |tokens| Ok(codec.text(tokens)));
        let mut trainer =
            SftTrainer::new(Box::new(learner), Box::new(rows), Box::new(Nll::default()), config)?
                .with_evaluator(Box::new(self.spot_check()), Box::new(self.engine(&weights)?))
                .with_callback(MetricsLog::new(&self.args.out))
                .with_callback(Progress::new())
                .with_callback(Interrupt::install()?);
        finished(trainer.run()?)?;
        Ok(weights)
    }

    /// DAPO on the training problems.
    fn practice(&self, decoder: Decoder) -> Result<WeightHandle, BoxError> {
        let learner = learner(decoder);
        let weights = learner.handle();
        let recipe = preset::dapo();
        let stage = RolloutStage {
            source: Box::new(Prompts::new(self.train.clone(), self.codec, self.args.seed)?),
            engine: Box::new(self.engine(&weights)?),
            reward: Box::new(CountdownReward),
            filter: recipe.filter.as_ref().map(|filter| filter.build()).transpose()?,
            refill: Refill { max_rounds: 2, ..Refill::default() },
            on_unavailable: Default::default(),
        };
        let config = RlConfig {
            steps: self.steps(RL_STEPS),
            prompts_per_step: 32,
            group_size: 16,
            sampling: self.sampling(),
            micro_batch: MICRO_BATCH,
            learning_rate: 4e-4,
            schedule: Schedule { warmup_steps: 20, decay: Decay::Cosine { final_fraction: 0.1 } },
            mask_truncated: recipe.overlong.mask_truncated,
            evaluate_every: 50,
            ..RlConfig::default()
        };
        let mut trainer = RlTrainer::new(
            Box::new(learner),
            stage,
            recipe.advantage.build()?,
            Box::new(recipe.loss.build()?),
            config,
        )?
        .with_evaluator(Box::new(self.spot_check()))
        .with_callback(MetricsLog::new(&self.args.out))
        .with_callback(CompletionsLog::new(
            &self.args.out,
            CompletionsLogConfig { every: 10, ..CompletionsLogConfig::default() },
        )?)
        .with_callback(Progress::new())
        .with_callback(Interrupt::install()?);
        finished(trainer.run()?)?;
        Ok(weights)
    }

    fn engine(&self, weights: &WeightHandle) -> Result<LocalEngine, BoxError> {
        let text = Arc::new(Text { codec: self.codec, end: [self.codec.end_token()] });
        Ok(LocalEngine::new(weights.clone(), text, EngineConfig::default())?)
    }

    fn sampling(&self) -> SamplingParams {
        SamplingParams { max_tokens: MAX_TOKENS, seed: self.args.seed, ..Default::default() }
    }

    fn requests(&self, problems: &[Problem], n: usize, params: &SamplingParams) -> Vec<Request> {
        let request = |problem: &Problem| Request {
            prompt: Prompts::prompt(problem, self.codec, self.args.seed, 0),
            n,
            params: params.clone(),
            ..Request::default()
        };
        problems.iter().map(request).collect()
    }

    /// A quick look at some held-out problems during training, for the curve.
    fn spot_check(&self) -> HeldOut {
        let requests = self.requests(&self.held_out[..150], 4, &self.sampling());
        HeldOut::new(requests, Box::new(CountdownReward)).accuracy()
    }

    /// All held-out problems: samples at temperature 1, and the greedy answer.
    fn examine(&self, weights: &WeightHandle) -> Result<Exam, BoxError> {
        let mut engine = self.engine(weights)?;
        engine.refresh(&WeightUpdate::InProcess { version: 0 })?;
        let mut ask = |n, params: &SamplingParams| {
            let requests = self.requests(&self.held_out, n, params);
            engine.generate(&requests, &mut |_| Flow::Continue)
        };
        let sampled = ask(SAMPLES, &self.sampling())?;
        let greedy = ask(1, &SamplingParams::greedy(MAX_TOKENS))?;
        let mut exam = Exam { answers: Vec::new(), tally: Tally::default() };
        for (problem, (sampled, greedy)) in
            self.held_out.iter().zip(sampled.into_iter().zip(greedy))
        {
            let count = sampled.completions.iter().filter(|c| right(problem, c)).count();
            let best = greedy.completions.first();
            exam.tally.add(SAMPLES, count, best.map(|c| right(problem, c)));
            exam.answers.push(Answer {
                problem: problem.clone(),
                asked: sampled.request.prompt.text,
                greedy: best.map(worked).unwrap_or_default(),
                right: best.is_some_and(|c| right(problem, c)),
                samples: sampled.completions.iter().map(worked).collect(),
            });
        }
        Ok(exam)
    }
}

const MICRO_BATCH: MicroBatch = MicroBatch { rows: 2_048, tokens: 65_536 };

fn learner(decoder: Decoder) -> Learner {
    let adamw = AdamWConfig { beta2: 0.99, ..AdamWConfig::default() };
    Learner::new(decoder, LearnerConfig { adamw, shards: 2, ..LearnerConfig::default() })
}

/// An interrupted phase ends the program: its figures would mean nothing.
fn finished(outcome: Outcome) -> Result<(), BoxError> {
    if outcome.interrupted {
        return Err(format!("interrupted after {} steps", outcome.steps).into());
    }
    Ok(())
}

fn right(problem: &Problem, completion: &Completion) -> bool {
    matches!(completion.finish, Finish::EndToken { .. })
        && verify(problem, &completion.text).is_ok()
}

/// A completion as it was worked, with the full stop that ended it.
fn worked(completion: &Completion) -> String {
    let stop = if completion.is_truncated() { "" } else { "." };
    format!("{}{stop}", completion.text)
}

/// The task's vocabulary, as an engine needs it.
struct Text {
    codec: Codec,
    end: [u32; 1],
}

impl Detokenize for Text {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        Ok(self.codec.text(tokens))
    }
    fn end_tokens(&self) -> &[u32] {
        &self.end
    }
}

struct Answer {
    problem: Problem,
    asked: String,
    greedy: String,
    right: bool,
    samples: Vec<String>,
}

/// Answers to every held-out problem.
struct Exam {
    answers: Vec<Answer>,
    tally: Tally,
}

impl Exam {
    fn sentence(&self) -> String {
        let t = &self.tally;
        format!(
            "Held-out problems solved: {:.1} % of samples (± {:.1}), {:.1} % greedily, {:.1} % within {SAMPLES} tries.",
            100.0 * t.accuracy(),
            100.0 * t.standard_error(),
            100.0 * t.greedy().unwrap_or(0.0),
            100.0 * t.pass_at(SAMPLES)
        )
    }
}

fn samples(before: &Exam, after: &Exam) -> Vec<Sample> {
    let pairs = before.answers.iter().zip(&after.answers);
    let sample = |(b, a): (&Answer, &Answer)| Sample {
        problem: b.asked.clone(),
        before: b.greedy.clone(),
        correct_before: b.right,
        after: a.greedy.clone(),
        correct_after: a.right,
    };
    pairs.map(sample).take(12).collect()
}

fn dump(path: &Path, before: &Exam, after: &Exam) -> Result<(), BoxError> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for (phase, exam) in [("before", before), ("after", after)] {
        for a in &exam.answers {
            let line = json!({
                "phase": phase,
                "numbers": a.problem.numbers,
                "target": a.problem.target,
                "greedy": a.greedy,
                "samples": a.samples,
            });
            writeln!(file, "{line}")?;
        }
    }
    Ok(file.flush()?)
}

fn report(
    dir: &Path,
    path: &Path,
    before: &Exam,
    after: &Exam,
    samples: Vec<Sample>,
) -> Result<(), BoxError> {
    let percent = |value: f64| format!("{:.1} %", 100.0 * value);
    let (b, a) = (&before.tally, &after.tally);
    let row = |label: &str, b: f64, a: f64| {
        (label.to_owned(), format!("{} → {}", percent(b), percent(a)))
    };
    Report::from_dir(dir)?
        .title("A small model learns Countdown")
        .summary([
            format!("{} problems were held out; the model has never seen them in any order of their numbers.", b.problems()),
            "First it read worked solutions, then it practised with a reward of 1 for a right solution and 0 otherwise.".to_owned(),
        ])
        .figures([
            row("solved, mean of 16 samples at temperature 1", b.accuracy(), a.accuracy()),
            row("solved greedily", b.greedy().unwrap_or(0.0), a.greedy().unwrap_or(0.0)),
            row("solved within 16 tries", b.pass_at(SAMPLES), a.pass_at(SAMPLES)),
        ])
        .samples(samples)
        .write(path)?;
    Ok(())
}
