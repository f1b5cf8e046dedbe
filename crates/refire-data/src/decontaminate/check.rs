use super::index::Index;
use super::letters::{Letters, Stripped};
use super::{Contamination, DecontaminationConfig, DecontaminationReport, Pass};
use crate::DataError;
use crate::text::{fold, for_ngrams};
use rayon::prelude::*;
use std::cell::RefCell;
use xxhash_rust::xxh3::xxh3_64;

/// Finds texts that overlap with benchmarks.
///
/// ```
/// use refire_data::{DecontaminationConfig, Decontaminator};
/// let config = DecontaminationConfig { ngram: 5, ..DecontaminationConfig::default() };
/// let mut check = Decontaminator::new(config)?;
/// check.add("toy", "q1", "A robe takes 2 bolts of blue fiber. How many bolts?");
/// let found = check.check("Well: a robe takes 2 bolts of red fiber.").unwrap();
/// assert_eq!((found.item.as_str(), found.matched.as_str()), ("q1", "a robe takes 2 bolts"));
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decontaminator {
    config: DecontaminationConfig,
    items: Vec<Item>,
    grams: Index,
    /// Short items by the hash of their words, one index for each length in words.
    short: Vec<(usize, Index)>,
    letters: Letters,
}

#[derive(Debug, Clone)]
struct Item {
    benchmark: String,
    name: String,
    /// Distinct n-grams; 0 for a short item.
    grams: usize,
    /// Hash of its text.
    text: u64,
}

#[derive(Default)]
struct Buffers {
    words: Vec<u64>,
    letters: Stripped,
    /// (item, first word of the gram, gram).
    hits: Vec<(u32, u32, u64)>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

impl Decontaminator {
    /// An empty index.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(config: DecontaminationConfig) -> Result<Self, DataError> {
        DataError::from_problems(config.validate())?;
        Ok(Self {
            config,
            items: Vec::new(),
            grams: Index::default(),
            short: Vec::new(),
            letters: Letters::default(),
        })
    }

    /// Adds an item of a benchmark: a question, or an answer. One without a word is left out.
    pub fn add(&mut self, benchmark: &str, item: &str, text: &str) {
        let words = self.config.words.hashes(text);
        let number = self.items.len() as u32;
        let mut grams = Vec::new();
        for_ngrams(&words, self.config.ngram, |_, gram| grams.push(gram));
        grams.sort_unstable();
        grams.dedup();
        if grams.is_empty() && !words.is_empty() {
            self.add_short(&words, number);
        }
        grams.iter().for_each(|gram| self.grams.add(*gram, number));
        if self.config.digit_stripped {
            let DecontaminationConfig { min_letters, min_letters_within, .. } = self.config;
            self.letters.add(text, min_letters, min_letters_within);
        }
        self.items.push(Item {
            benchmark: benchmark.to_owned(),
            name: item.to_owned(),
            grams: grams.len(),
            text: xxh3_64(text.as_bytes()),
        });
    }

    fn add_short(&mut self, words: &[u64], number: u32) {
        let length = words.len();
        let index = match self.short.iter().position(|(known, _)| *known == length) {
            Some(at) => at,
            None => {
                self.short.push((length, Index::default()));
                self.short.len() - 1
            }
        };
        for_ngrams(words, length, |_, gram| self.short[index].1.add(gram, number));
    }

    /// Items in the index.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True without an item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item a text overlaps with most, or `None`.
    pub fn check(&self, text: &str) -> Option<Contamination> {
        BUFFERS.with_borrow_mut(|buffers| self.check_with(text, buffers))
    }

    /// Checks many texts, on all threads.
    pub fn check_all<T: AsRef<str> + Sync>(&self, texts: &[T]) -> DecontaminationReport {
        let found: Vec<_> = texts.par_iter().map(|text| self.check(text.as_ref())).collect();
        let mut report = DecontaminationReport::default();
        found.into_iter().for_each(|found| report.add(found));
        report
    }

    fn check_with(&self, text: &str, buffers: &mut Buffers) -> Option<Contamination> {
        let Buffers { words, letters, hits } = buffers;
        self.config.words.hash_into(text, words);
        hits.clear();
        for_ngrams(words, self.config.ngram, |at, gram| {
            hits.extend(self.grams.items(gram).map(|item| (item, at as u32, gram)));
        });
        if let Some((item, at, coverage)) = self.most_covered(hits) {
            let n = self.config.ngram;
            return Some(self.found(item, Pass::Ngram, self.words_at(text, at, n), coverage));
        }
        if let Some((item, at, length)) = self.short_item(words) {
            return Some(self.found(item, Pass::Whole, self.words_at(text, at, length), 1.0));
        }
        let (item, passage) = self.letters.find(text, letters)?;
        Some(self.found(item, Pass::DigitStripped, passage.to_owned(), 1.0))
    }

    /// Of the items met, the one with the largest share of its n-grams, if that is enough.
    fn most_covered(&self, hits: &mut [(u32, u32, u64)]) -> Option<(u32, usize, f64)> {
        if hits.is_empty() {
            return None;
        }
        hits.sort_unstable_by_key(|(item, at, gram)| (*item, *gram, *at));
        let mut best: Option<(u32, usize, f64)> = None;
        for same in hits.chunk_by(|a, b| a.0 == b.0) {
            let distinct = same.chunk_by(|a, b| a.2 == b.2).count();
            let first = same.iter().map(|(_, at, _)| *at).min().unwrap_or(0) as usize;
            let coverage = distinct as f64 / self.items[same[0].0 as usize].grams as f64;
            if best.is_none_or(|(.., most)| coverage > most) {
                best = Some((same[0].0, first, coverage));
            }
        }
        best.filter(|(.., coverage)| *coverage >= self.config.min_coverage)
    }

    /// A short item that stands in the text, its first word there and its length.
    fn short_item(&self, words: &[u64]) -> Option<(u32, usize, usize)> {
        for (length, index) in &self.short {
            if *length < self.config.min_short_words && words.len() != *length {
                continue;
            }
            let mut found = None;
            for_ngrams(words, *length, |at, gram| {
                if found.is_none() {
                    found = index.items(gram).min().map(|item| (item, at, *length));
                }
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn found(&self, item: u32, pass: Pass, matched: String, coverage: f64) -> Contamination {
        let Item { benchmark, name, .. } = &self.items[item as usize];
        Contamination { benchmark: benchmark.clone(), item: name.clone(), pass, matched, coverage }
    }

    /// The words `first..first + n` of a text, as they stand there.
    fn words_at(&self, text: &str, first: usize, n: usize) -> String {
        let (mut index, mut range) = (0, 0..0);
        self.config.words.each(text, |_, start, end| {
            if index == first {
                range.start = start;
            }
            if index < first + n {
                range.end = end;
            }
            index += 1;
        });
        text.get(range).unwrap_or_default().to_owned()
    }

    /// A number that changes with the configuration, the items and their texts: saved results are
    /// valid for it.
    pub fn version(&self) -> u64 {
        let config = serde_json::to_vec(&self.config).unwrap_or_default();
        self.items.iter().fold(xxh3_64(&config), |hash, item| {
            let name = fold(xxh3_64(item.benchmark.as_bytes()), xxh3_64(item.name.as_bytes()));
            fold(fold(hash, name), item.text)
        })
    }
}
