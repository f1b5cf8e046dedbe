//! Judges labelled answer pairs and says how often the judgement is right, and how fast it is.
//!
//! `cargo run --release --example check_answers -- --cases FILE.jsonl [--profile P] [--out FILE]`
//!
//! Each row of the file holds `id`, `gold` and `pred`; `expected` is the label, `category` groups
//! the figures, `mv_verdict` is what Math-Verify said. A row with a `policy` is labelled by a
//! convention: it is reported apart and left out of the figures. Under the profile `math_verify`
//! the flags of a row (`float_rounding`, `strict`, `allow_set_relation_comp`, `targets`) apply.

use clap::{Parser, ValueEnum};
use refire::core::BoxError;
use refire::math::{Checker, DecimalRule, Profile, Reason, SetRule, Tier, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "Judge labelled answer pairs")]
struct Args {
    /// Rows of `id`, `gold`, `pred` and perhaps `expected`, one JSON object a line.
    #[arg(long)]
    cases: PathBuf,
    /// How answers are found and compared.
    #[arg(long, value_enum, default_value_t = Preset::Strict)]
    profile: Preset,
    /// Where the verdict of each row goes, one JSON object a line.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Preset {
    Strict,
    MathVerify,
    Gsm8k,
    Dapo,
    Prm800k,
}

impl Preset {
    fn profile(self) -> Profile {
        match self {
            Self::Strict => Profile::strict(),
            Self::MathVerify => Profile::math_verify(),
            Self::Gsm8k => Profile::gsm8k(),
            Self::Dapo => Profile::dapo(),
            Self::Prm800k => Profile::prm800k(),
        }
    }
}

#[derive(Deserialize)]
struct Row {
    id: serde_json::Value,
    gold: String,
    pred: String,
    expected: Option<bool>,
    category: Option<String>,
    policy: Option<String>,
    mv_verdict: Option<bool>,
    float_rounding: Option<u32>,
    strict: Option<bool>,
    allow_set_relation_comp: Option<bool>,
    targets: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Judged<'a> {
    id: &'a serde_json::Value,
    verdict: &'static str,
    micros: f64,
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(File::open(&args.cases)?).lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            let row: Row = serde_json::from_str(&line)
                .map_err(|source| format!("line {}: {source}", number + 1))?;
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return Err(format!("{} holds no rows", args.cases.display()).into());
    }
    let checkers = rows.iter().map(|row| Ok(Checker::new(flagged(row, args.profile))?));
    let checkers: Vec<Checker> = checkers.collect::<Result<_, BoxError>>()?;
    // Once without the clock, so that the first rows don't pay for cold caches.
    for (row, checker) in rows.iter().zip(&checkers).take(200) {
        black_box(checker.check(&row.gold, &row.pred));
    }
    let timings: Vec<(Verdict, Duration)> =
        rows.iter().zip(&checkers).map(|(row, checker)| timed(row, checker)).collect();
    if let Some(path) = &args.out {
        let mut out = BufWriter::new(File::create(path)?);
        for (row, (verdict, time)) in rows.iter().zip(&timings) {
            let micros = time.as_secs_f64() * 1e6;
            let judged = Judged { id: &row.id, verdict: word(*verdict), micros };
            serde_json::to_writer(&mut out, &judged)?;
            writeln!(out)?;
        }
        out.flush()?;
    }
    report(&rows, &timings);
    Ok(())
}

/// The verdict and its time. What takes long is repeated and the shortest run counts, since a
/// thread that had to wait for another program says nothing about the checker.
fn timed(row: &Row, checker: &Checker) -> (Verdict, Duration) {
    const LONG: Duration = Duration::from_micros(500);
    let once = || {
        let start = Instant::now();
        let verdict = black_box(checker.check(&row.gold, &row.pred));
        (verdict, start.elapsed())
    };
    let (verdict, mut time) = once();
    for _ in 0..4 {
        if time > LONG {
            time = time.min(once().1);
        }
    }
    (verdict, time)
}

/// The profile with the flags of a row, which are those of Math-Verify.
fn flagged(row: &Row, preset: Preset) -> Profile {
    let mut profile = preset.profile();
    if preset != Preset::MathVerify {
        return profile;
    }
    if let Some(places) = row.float_rounding {
        profile.decimals = DecimalRule::Places(places);
    }
    profile.rename_symbols = row.strict == Some(false);
    if row.allow_set_relation_comp == Some(true) {
        profile.sets = SetRule::Both;
    }
    if let Some(targets) = &row.targets {
        let has = |name: &str| targets.iter().any(|target| target == name);
        if !has("latex") {
            profile.extract.tiers = vec![Tier::LastNumber];
        } else if !has("expr") {
            profile.extract.tiers.retain(|tier| *tier != Tier::LastMath);
            profile.extract.tiers.push(Tier::Environment);
        }
    }
    profile
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Equal(_) => "equal",
        Verdict::NotEqual(_) => "not_equal",
        Verdict::Unknown(Reason::Gold(_)) => "unscorable",
        Verdict::Unknown(_) => "unknown",
    }
}

#[derive(Default)]
struct Tally {
    rows: usize,
    right: usize,
    positive: usize,
    rejected: usize,
    accepted: usize,
    unknown: usize,
    peer_rows: usize,
    peer_right: usize,
}

impl Tally {
    fn add(&mut self, expected: bool, verdict: Verdict, peer: Option<bool>) {
        let equal = verdict.is_equal();
        self.rows += 1;
        self.right += usize::from(equal == expected);
        self.positive += usize::from(expected);
        self.rejected += usize::from(expected && !equal);
        self.accepted += usize::from(!expected && equal);
        self.unknown += usize::from(!verdict.is_decided());
        if let Some(peer) = peer {
            self.peer_rows += 1;
            self.peer_right += usize::from(peer == expected);
        }
    }

    fn accuracy(&self) -> f64 {
        share(self.right, self.rows)
    }

    fn print(&self, name: &str) {
        let peer = if self.peer_rows == 0 {
            "-".to_owned()
        } else {
            format!("{:.4}", share(self.peer_right, self.peer_rows))
        };
        println!(
            "{name:<42} {:>6} {:>9.4} {:>9} {:>9} {:>8} {peer:>11}",
            self.rows,
            self.accuracy(),
            format!("{}/{}", self.rejected, self.positive),
            format!("{}/{}", self.accepted, self.rows - self.positive),
            self.unknown,
        );
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn report(rows: &[Row], timed: &[(Verdict, Duration)]) {
    let mut all = Tally::default();
    let mut categories = BTreeMap::<&str, Tally>::new();
    let mut policies = BTreeMap::<&str, Tally>::new();
    let mut wrong = Vec::new();
    for (row, (verdict, _)) in rows.iter().zip(timed) {
        let Some(expected) = row.expected else { continue };
        if let Some(policy) = &row.policy {
            policies.entry(policy).or_default().add(expected, *verdict, row.mv_verdict);
            continue;
        }
        let category = row.category.as_deref().unwrap_or("-");
        categories.entry(category).or_default().add(expected, *verdict, row.mv_verdict);
        all.add(expected, *verdict, row.mv_verdict);
        if verdict.is_equal() != expected {
            wrong.push((row, *verdict));
        }
    }
    println!(
        "{:<42} {:>6} {:>9} {:>9} {:>9} {:>8} {:>11}",
        "category", "rows", "accuracy", "rejected", "accepted", "unknown", "math-verify"
    );
    for (category, tally) in &categories {
        tally.print(category);
    }
    all.print("all");
    if !policies.is_empty() {
        println!("\nlabelled by a convention, left out of the figures:");
        for (policy, tally) in &policies {
            tally.print(policy);
        }
    }
    if !wrong.is_empty() {
        println!("\njudged against the label:");
        for (row, verdict) in wrong.iter().take(40) {
            println!("  {}: {} {verdict:?}", row.id, clip(&row.gold));
        }
    }
    speed(rows, timed, &all, &categories);
}

fn speed(
    rows: &[Row],
    timed: &[(Verdict, Duration)],
    all: &Tally,
    categories: &BTreeMap<&str, Tally>,
) {
    let mut order: Vec<usize> = (0..timed.len()).collect();
    order.sort_by_key(|at| timed[*at].1);
    let millis = |at: usize| timed[order[at]].1.as_secs_f64() * 1e3;
    let last = order.len() - 1;
    let total: Duration = timed.iter().map(|(_, time)| *time).sum();
    let rate = timed.len() as f64 / total.as_secs_f64().max(1e-9);
    println!("\nslowest:");
    for at in order.iter().rev().take(5) {
        let (verdict, time) = timed[*at];
        let micros = time.as_secs_f64() * 1e6;
        println!("  {micros:>8.0} us  {}  {verdict:?}", rows[*at].id);
    }
    println!(
        "\n{rate:.0} pairs a second on one core; p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
        millis(last / 2),
        millis(last * 99 / 100),
        millis(last)
    );
    let worst = categories.iter().min_by(|(_, a), (_, b)| a.accuracy().total_cmp(&b.accuracy()));
    let (name, accuracy) = worst.map_or(("-", 0.0), |(name, tally)| (*name, tally.accuracy()));
    println!(
        "accuracy {:.4} false_negatives {:.4} false_positives {:.4} worst_category {name} {accuracy:.3} \
         pairs_per_second {rate:.0} p99_ms {:.1} max_ms {:.1}",
        all.accuracy(),
        share(all.rejected, all.positive),
        share(all.accepted, all.rows - all.positive),
        millis(last * 99 / 100),
        millis(last),
    );
}

fn clip(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}
