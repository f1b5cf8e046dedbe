//! The reference's log-probabilities are computed once per row, and a torn file loses one line.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use refire::core::BoxError;
use refire::dpo::{DpoConfig, PairLoss};
use refire::objective::{FrozenPolicy, HeadQuery, Policy, TokenBatch, TokenStats};
use refire::tasks::Shuffled;
use refire::train::{MetricsLog, PreferenceTrainer, ReferenceCache};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the rows it is asked for.
struct Counting(Box<dyn FrozenPolicy>, Arc<AtomicUsize>);

impl FrozenPolicy for Counting {
    fn token_stats(
        &self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
    ) -> Result<TokenStats, BoxError> {
        self.1.fetch_add(batch.rows, Ordering::Relaxed);
        self.0.token_stats(batch, query)
    }
}

/// Five steps of six pairs out of ten; rows asked for.
fn train(dir: &Path, cache: bool) -> usize {
    let learner = common::learner(Some(1.0));
    let count = Arc::new(AtomicUsize::new(0));
    let reference = Box::new(Counting(learner.freeze(), count.clone()));
    let pairs = common::preferences().into_iter().take(10).collect();
    let source = Box::new(Shuffled::new(pairs, 1).unwrap());
    let objective = Box::new(DpoConfig::of(PairLoss::Sigmoid, 0.1).build().unwrap());
    let config = common::preference_config(5);
    let mut trainer = PreferenceTrainer::new(Box::new(learner), source, objective, config).unwrap();
    trainer = trainer.with_reference(reference).with_callback(MetricsLog::new(dir));
    if cache {
        trainer = trainer.with_reference_cache(ReferenceCache::open(dir).unwrap());
    }
    trainer.run().unwrap();
    count.load(Ordering::Relaxed)
}

fn losses(dir: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(dir.join("metrics.jsonl")).unwrap();
    let loss = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["loss"].as_f64().unwrap()
    };
    text.lines().map(loss).collect()
}

#[test]
fn each_row_is_computed_once_over_epochs_and_runs() {
    let (plain, cached) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(train(plain.path(), false), 5 * 12);
    let asked = train(cached.path(), true);
    // Ten pairs, the fixed question, and rows that stood in a step beside new ones.
    assert!((21..=36).contains(&asked), "{asked} rows");
    assert_eq!(ReferenceCache::open(cached.path()).unwrap().len(), 20);
    assert_eq!(losses(plain.path()).len(), 5);
    let gap = |(a, b): (&f64, &f64)| (a - b).abs();
    let (ours, theirs) = (losses(cached.path()), losses(plain.path()));
    assert!(ours.iter().zip(&theirs).map(gap).all(|gap| gap < 1e-6));

    // Another run over the same pairs asks the fixed question only.
    assert_eq!(train(cached.path(), true), 1);
}

#[test]
fn a_line_cut_short_is_computed_again_and_nonsense_is_named() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), true);
    let file = dir.path().join("ref_logprobs.jsonl");
    let text = std::fs::read(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 9]).unwrap();
    assert_eq!(ReferenceCache::open(dir.path()).unwrap().len(), 19);
    train(dir.path(), true);
    assert_eq!(ReferenceCache::open(dir.path()).unwrap().len(), 20);

    std::fs::write(&file, "{\"key\": 1}\n").unwrap();
    let error = ReferenceCache::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("ref_logprobs.jsonl`, line 1"), "{error}");
}
