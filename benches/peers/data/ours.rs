//! The work of `run.py`, done by refire-data: prints one JSON object with CPU seconds and finds.
//!
//! `ours CORPUS.jsonl BENCHMARK.jsonl` reads `text` from the one and `question` from the other.

use refire_data::{
    DataError, DecontaminationConfig, Decontaminator, Duplicate, NearConfig, near_duplicates,
};
use serde_json::{Value, json};
use std::time::Instant;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn column(path: &str, column: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let mut row: Value = serde_json::from_str(line)?;
        match row[column].take() {
            Value::String(text) => found.push(text),
            other => return Err(format!("{path}: `{column}` is {other}").into()),
        }
    }
    Ok(found)
}

/// Seconds this thread has spent on a processor; `None` where the system doesn't say. The work is
/// of one thread, and other programs must not count.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(stat.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// The best of three runs: its seconds, and what it gave.
fn timed<T>(mut work: impl FnMut() -> Result<T, DataError>) -> Result<(f64, T), DataError> {
    let mut best = None;
    for _ in 0..3 {
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let result = work()?;
        let cpu = cpu.and_then(|start| Some(cpu_seconds()? - start));
        let seconds = cpu.unwrap_or_else(|| wall.elapsed().as_secs_f64());
        if best.as_ref().is_none_or(|(least, _)| seconds < *least) {
            best = Some((seconds, result));
        }
    }
    best.ok_or(DataError::Empty { what: "runs" })
}

fn flags(found: &[Option<Duplicate>]) -> Vec<usize> {
    (0..found.len()).filter(|at| found[*at].is_some()).collect()
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let [_, corpus, benchmark] = args.as_slice() else {
        return Err("usage: ours CORPUS.jsonl BENCHMARK.jsonl".into());
    };
    let (texts, items) = (column(corpus, "text")?, column(benchmark, "question")?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let out = pool.install(|| -> Result<Value, Failure> {
        let bare = NearConfig { verify: None, ..NearConfig::default() };
        let (near, found) = timed(|| near_duplicates(&texts, bare.clone()))?;
        let (verified, sure) = timed(|| near_duplicates(&texts, NearConfig::default()))?;
        let mut leaks = Vec::new();
        for ngram in [8, 10, 13] {
            let config = DecontaminationConfig { ngram, ..DecontaminationConfig::default() };
            let mut check = Decontaminator::new(config)?;
            items.iter().enumerate().for_each(|(i, q)| check.add("test", &i.to_string(), q));
            let (seconds, report) = timed(|| Ok(check.check_all(&texts)))?;
            let at: Vec<usize> = report.found.iter().map(|(at, _)| *at).collect();
            leaks.push(json!({ "ngram": ngram, "seconds": seconds, "found": at }));
        }
        Ok(json!({
            "texts": texts.len(),
            "near": { "seconds": near, "found": flags(&found) },
            "verified": { "seconds": verified, "found": flags(&sure) },
            "leaks": leaks,
        }))
    })?;
    println!("{out}");
    Ok(())
}
