//! Curates files of questions and answers: reads them, removes duplicates, traces that are no good
//! and whatever overlaps with a benchmark, and writes what is left with a report.
//!
//! ```text
//! cargo run --release --example curate -- --input gsm8k_train.jsonl --benchmark gsm8k_test.jsonl \
//!     --prompt question --completion solution --out curated
//! ```
//!
//! `curated/` then holds `kept.jsonl.gz`, `rejects.jsonl`, `report.json` and `report.html`. Without
//! names of columns, TRL's, ShareGPT's, Alpaca's and verl's are known.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use refire_data::{
    ColumnMap, Cot, DecontaminateStage, DecontaminationConfig, Decontaminator, ExactStage, Format,
    Kind, NearConfig, NearStage, OnBad, Part, Pipeline, Profile, QualityStage, ReadConfig, Reader,
    Stage, TemplateIndex, Words, Writer,
};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

/// Curates files of questions and answers.
#[derive(Debug, Parser)]
struct Args {
    /// Files, folders or patterns to read.
    #[arg(long, required = true, num_args = 1..)]
    input: Vec<PathBuf>,
    /// Files of a benchmark that must not be trained on.
    #[arg(long, num_args = 1..)]
    benchmark: Vec<PathBuf>,
    /// Column of the benchmark's questions; that of `--prompt` if none is given.
    #[arg(long)]
    benchmark_prompt: Option<String>,
    /// Column of the question; told from the columns if none is given.
    #[arg(long, requires = "completion")]
    prompt: Option<String>,
    /// Column of the answer.
    #[arg(long, requires = "prompt")]
    completion: Option<String>,
    /// Words in an n-gram of the check against the benchmark.
    #[arg(long, default_value_t = 13)]
    ngram: usize,
    /// Folder to write to.
    #[arg(long, default_value = "curated")]
    out: PathBuf,
}

/// Rows of the named columns; only those that have another name than TRL's are renamed.
fn format(rows: Kind, names: &[(&Option<String>, &str)]) -> Format {
    let given: Vec<(&str, &str)> =
        names.iter().filter_map(|(from, to)| Some((from.as_deref()?, *to))).collect();
    if given.is_empty() {
        return Format::Auto;
    }
    let renamed = given.into_iter().filter(|(from, to)| from != to);
    Format::Columns { rows, names: ColumnMap::new(renamed) }
}

fn benchmark(args: &Args) -> Result<Decontaminator, Failure> {
    let config = DecontaminationConfig { ngram: args.ngram, ..DecontaminationConfig::default() };
    let mut check = Decontaminator::new(config)?;
    for path in &args.benchmark {
        let column = args.benchmark_prompt.clone().or_else(|| args.prompt.clone());
        let format = format(Kind::PromptOnly, &[(&column, "prompt")]);
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let reader = Reader::open(&[path], ReadConfig { format, ..ReadConfig::default() })?;
        for (row, record) in reader.enumerate() {
            check.add(&name, &(row + 1).to_string(), &Part::Prompt.of(&record?));
        }
    }
    Ok(check)
}

fn curate(args: &Args, out: &Path) -> Result<(), Failure> {
    let names = [(&args.prompt, "prompt"), (&args.completion, "completion")];
    let mut reader = Reader::open(
        &args.input,
        ReadConfig {
            format: format(Kind::PromptCompletion, &names),
            on_bad: OnBad::SetAside { path: out.join("rejects.jsonl") },
            ..ReadConfig::default()
        },
    )?;
    let stages: Vec<Box<dyn Stage>> = vec![
        Box::new(ExactStage::new(Part::Whole, Some(Words::default()))),
        Box::new(NearStage::new(Part::Prompt, NearConfig::default())?),
        Box::new(DecontaminateStage::new(benchmark(args)?)),
        Box::new(QualityStage::new(Profile::Cot(Cot::default()))),
    ];
    let mut pipeline = Pipeline::new(stages);
    let mut writer = Writer::create(out.join("kept.jsonl.gz"))?.with_provenance();
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{elapsed} {msg}")?);
    let mut templates = TemplateIndex::default();
    pipeline.run_reader(
        &mut reader,
        &mut |record| {
            templates.add(&Part::Prompt.of(&record));
            writer.write(&record)
        },
        &mut |now| {
            bar.set_message(format!("{} read, {} kept, {} bad", now.taken, now.given, now.bad))
        },
    )?;
    bar.finish_and_clear();
    let kept = writer.finish()?;
    // What the stages remember isn't needed any more.
    let report = pipeline.report().clone();
    drop(pipeline);
    std::fs::write(out.join("report.json"), report.to_json())?;
    std::fs::write(out.join("report.html"), report.to_html())?;

    for (reason, count) in &report.read.bad {
        println!("bad rows: {reason}: {count}");
    }
    println!("{:<20} {:>9} {:>9}", "stage", "in", "out");
    for stage in &report.stages {
        println!(
            "{:<20} {:>9} {:>9}   {:.2} s",
            stage.name, stage.taken, stage.given, stage.seconds
        );
        for (reason, count) in &stage.not_applied {
            println!("    passed by unjudged, {reason}: {count}");
        }
        for (reason, count) in &stage.removed {
            println!("    {reason}: {count}");
        }
    }
    let templates = templates.groups();
    let members: usize = templates.iter().map(|group| group.members.len()).sum();
    println!("{} templates hold {members} of the kept questions", templates.len());
    println!(
        "{} bad rows; {kept} of {} kept: {}",
        report.read.bad_rows(),
        report.taken,
        out.display()
    );
    Ok(())
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = std::fs::create_dir_all(&args.out).map_err(Failure::from);
    match done.and_then(|()| curate(&args, &args.out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("curate: {error}");
            ExitCode::FAILURE
        }
    }
}
