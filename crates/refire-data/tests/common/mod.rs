//! Data for the tests: the reference data, and a corpus with planted duplicates and leaks.
#![allow(dead_code)]

use refire_core::{Purpose, Stream};
use std::path::PathBuf;

/// Rows of a file of the reference data; `None` (and a line that says so) where it is missing.
pub(crate) fn rows(file: &str) -> Option<Vec<serde_json::Value>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("REFIRE_TEST_DATA").map_or_else(|| beside.into(), PathBuf::from);
    let path = root.join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

pub(crate) fn texts(rows: &[serde_json::Value], column: &str) -> Vec<String> {
    rows.iter().map(|row| row[column].as_str().unwrap().to_owned()).collect()
}

/// What a document of the corpus is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Planted {
    Unique,
    /// The same as an earlier one.
    Exact(usize),
    /// An earlier one with words changed at a rate.
    Near(usize, f64),
    /// A benchmark item among other sentences.
    Leak(usize),
}

#[derive(Debug)]
pub(crate) struct Corpus {
    pub(crate) texts: Vec<String>,
    pub(crate) planted: Vec<Planted>,
}

/// Documents of made-up words under Zipf's law, with a tenth of exact copies, a tenth of edited
/// ones, and leaks of the given items.
pub(crate) fn corpus(n: usize, items: &[String], seed: u64) -> Corpus {
    let mut draw = Stream::new(seed, Purpose::named("corpus"), 0, 0, 0);
    let vocabulary = vocabulary(&mut draw, 30_000);
    let mut total = 0.0;
    let weights: Vec<f64> = (0..vocabulary.len())
        .map(|rank| {
            total += (rank as f64 + 1.0).powf(-1.1);
            total
        })
        .collect();
    let word = |draw: &mut Stream| {
        let at = draw.uniform() * total;
        vocabulary[weights.partition_point(|w| *w < at).min(vocabulary.len() - 1)].clone()
    };
    let mut corpus = Corpus { texts: Vec::new(), planted: Vec::new() };
    for _ in 0..n {
        let (kind, known) = (draw.uniform(), corpus.texts.len());
        if known > 0 && kind < 0.2 {
            let of = draw.below(known);
            let text = corpus.texts[of].clone();
            if kind < 0.1 {
                let first = if let Planted::Exact(first) = corpus.planted[of] { first } else { of };
                corpus.texts.push(text);
                corpus.planted.push(Planted::Exact(first));
                continue;
            }
            let rate = [0.01, 0.02, 0.03, 0.05, 0.08][draw.below(5)];
            let words: Vec<String> = text
                .split(' ')
                .map(|w| if draw.uniform() < rate { word(&mut draw) } else { w.to_owned() })
                .collect();
            corpus.texts.push(words.join(" "));
            corpus.planted.push(Planted::Near(of, rate));
            continue;
        }
        let length = (180.0_f64.ln() + 0.6 * draw.normal()).exp().clamp(30.0, 1500.0) as usize;
        let mut sentences: Vec<String> = Vec::new();
        let mut left = length;
        while left > 0 {
            let size = left.min(6 + draw.below(15));
            let mut words: Vec<String> = (0..size).map(|_| word(&mut draw)).collect();
            words[0][..1].make_ascii_uppercase();
            sentences.push(words.join(" ") + ".");
            left -= size;
        }
        if !items.is_empty() && kind < 0.21 {
            let item = draw.below(items.len());
            sentences.insert(draw.below(sentences.len() + 1), items[item].clone());
            corpus.planted.push(Planted::Leak(item));
        } else {
            corpus.planted.push(Planted::Unique);
        }
        corpus.texts.push(sentences.join(" "));
    }
    corpus
}

fn vocabulary(draw: &mut Stream, n: usize) -> Vec<String> {
    let mut words = std::collections::BTreeSet::new();
    let mut order = Vec::new();
    while order.len() < n {
        let mut word: String = String::new();
        for _ in 0..1 + draw.below(4) {
            word.push(char::from(b"bcdfghjklmnprstvwz"[draw.below(18)]));
            word.push(char::from(b"aeiou"[draw.below(5)]));
        }
        word.push_str(["", "n", "s", "r", "t"][draw.below(5)]);
        if words.insert(word.clone()) {
            order.push(word);
        }
    }
    order
}
