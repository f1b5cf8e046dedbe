use super::buckets::Buckets;
use super::grams::Grams;
use super::renumbered::{differ, numbers};
use super::{Lsh, MinHash};
use crate::DataError;
use crate::text::{Numbers, Words, for_ngrams, ngrams};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How near-duplicates are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NearConfig {
    /// Words; numbers count by default, since otherwise a maths problem with other numbers is
    /// taken for a copy.
    pub words: Words,
    /// Words in an n-gram: 5, as datatrove.
    pub ngram: usize,
    /// Bands and rows.
    pub lsh: Lsh,
    /// Seed of the hash functions.
    pub seed: u64,
    /// Least Jaccard similarity of the n-gram sets, computed in full for each pair that meets;
    /// `None` takes every meeting for a duplicate.
    pub verify: Option<f64>,
    /// Keep a text whose numbers differ from those of the text it is like, as
    /// [`renumbered`](crate::renumbered) says; long maths problems with few numbers are nearly equal
    /// to their variants. True by default; where numbers are dates and counters, as on web pages, it
    /// keeps more. Part of verification, and without effect where [`words`](Self::words) masks
    /// numbers.
    pub keep_renumbered: bool,
    /// Most bytes of the band tables in memory. Full tables go to a nameless file, which is read
    /// where texts meet; of those about 1.2 bytes a band and text stay. 256 MiB.
    pub band_bytes: usize,
    /// Most bytes of the n-grams and numbers that verification keeps in memory; what is more goes to a nameless
    /// file, which is read where texts meet. 64 MiB.
    pub gram_bytes: usize,
    /// Folder of these files; the system's for such files if none is given.
    pub folder: Option<PathBuf>,
}

impl Default for NearConfig {
    fn default() -> Self {
        Self {
            words: Words::default(),
            ngram: 5,
            lsh: Lsh::default(),
            seed: 1,
            verify: Some(0.7),
            keep_renumbered: true,
            band_bytes: 256 << 20,
            gram_bytes: 64 << 20,
            folder: None,
        }
    }
}

impl NearConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DataError> {
        let mut problems = self.lsh.validate();
        if self.ngram == 0 {
            problems.push(DataError::out_of_range("ngram", 0, "at least 1"));
        }
        if let Some(s) = self.verify.filter(|s| !(0.0..=1.0).contains(s)) {
            problems.push(DataError::out_of_range("verify", s, "from 0 to 1"));
        }
        problems
    }
}

/// What duplicate search keeps of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// One key a band.
    pub keys: Vec<u64>,
    /// The n-grams, 32 bits each, in their order; empty without verification.
    grams: Vec<u32>,
    /// The numbers, 32 bits each, in their order; empty where they make no difference.
    numbers: Vec<u32>,
}

/// A text that is taken for a copy of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    /// Id of the text it copies.
    pub of: u64,
    /// Jaccard similarity of their n-grams; 1 without verification.
    pub similarity: f64,
}

/// Finds near-duplicates in a stream of texts: each text is compared with those kept before it.
///
/// Only texts that were kept are compared with, so a chain of small changes doesn't make one
/// cluster of texts that have little in common: whatever is removed is similar to something that
/// stays.
///
/// Memory a kept text, by default: 16 bytes, and 10 a band (140; without verification 15 a band) up
/// to [`NearConfig::band_bytes`], beyond which 1.2 a band (17) stay; and the n-grams and
/// numbers, of 4 bytes each, up to [`NearConfig::gram_bytes`]. So a million texts take about 220 MB, ten million 650 MB
/// and a hundred million 3.7 GB, and the files what is left. With more memory than texts need the
/// limits cost nothing; where the files are read often, raise them.
///
/// ```
/// use refire_data::{NearConfig, NearDedup};
/// let mut near = NearDedup::new(NearConfig::default())?;
/// let text = "the quick brown fox jumps over the lazy dog and runs into the dark green wood";
/// assert!(near.add_text(1, text)?.is_none());
/// assert_eq!(near.add_text(2, &text.replace("dark green", "dark, green"))?.unwrap().of, 1);
/// assert!(near.add_text(3, "something else that nobody has said before in these words")?.is_none());
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct NearDedup {
    config: NearConfig,
    minhash: MinHash,
    buckets: Buckets,
    ids: Vec<u64>,
    grams: Grams,
}

impl NearDedup {
    /// An empty index.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(config: NearConfig) -> Result<Self, DataError> {
        DataError::from_problems(config.validate())?;
        let minhash = MinHash::new(config.lsh, config.seed);
        let (whole_keys, folder) = (config.verify.is_none(), &config.folder);
        let buckets = Buckets::new(config.lsh.bands, whole_keys, config.band_bytes, folder.clone());
        let grams = Grams::new(config.gram_bytes, folder.clone());
        Ok(Self { config, minhash, buckets, ids: Vec::new(), grams })
    }

    /// What is kept of a text; depends on the configuration alone, so many threads may do it.
    pub fn fingerprint(&self, text: &str) -> Fingerprint {
        let grams = self.grams_of(text);
        let keys = if grams.is_empty() {
            Vec::new()
        } else {
            self.minhash.band_keys(&self.minhash.signature_of(&grams))
        };
        let grams = if self.config.verify.is_some() { grams } else { Vec::new() };
        let numbers = if self.minds_numbers() { numbers(text) } else { Vec::new() };
        Fingerprint { keys, grams, numbers }
    }

    /// True if texts whose numbers differ aren't copies.
    pub(crate) fn minds_numbers(&self) -> bool {
        let NearConfig { words, verify, keep_renumbered, .. } = &self.config;
        *keep_renumbered && verify.is_some() && words.numbers == Numbers::Keep
    }

    /// Jaccard similarity of two texts' n-grams; 0 for texts without a word.
    pub fn similarity(&self, a: &str, b: &str) -> f64 {
        jaccard(&sorted(self.grams_of(a)), &sorted(self.grams_of(b)))
    }

    /// The n-grams of a text in their order, 32 bits each.
    fn grams_of(&self, text: &str) -> Vec<u32> {
        thread_local! {
            static WORDS: std::cell::RefCell<Vec<u64>> = const { std::cell::RefCell::new(Vec::new()) };
        }
        WORDS.with_borrow_mut(|words| {
            self.config.words.hash_into(text, words);
            let n = self.config.ngram;
            if words.len() < n {
                return ngrams(words, n).into_iter().map(|gram| (gram >> 32) as u32).collect();
            }
            let mut grams = Vec::with_capacity(words.len() + 1 - n);
            for_ngrams(words, n, |_, gram| grams.push((gram >> 32) as u32));
            grams
        })
    }

    /// [`add`](Self::add) with the text itself.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_text(&mut self, id: u64, text: &str) -> Result<Option<Duplicate>, DataError> {
        let fingerprint = self.fingerprint(text);
        self.add(id, fingerprint)
    }

    /// The kept text that this one copies, the most similar if there are several; otherwise keeps
    /// this one. A text without a word copies none.
    ///
    /// # Errors
    /// When bands or n-grams can't be written to their file, or read back, and for more than
    /// 4,294,967,295 texts.
    pub fn add(
        &mut self,
        id: u64,
        fingerprint: Fingerprint,
    ) -> Result<Option<Duplicate>, DataError> {
        let found = self.find(&fingerprint)?;
        if found.is_none() {
            self.keep(id, &fingerprint)?;
        }
        Ok(found)
    }

    /// The kept text that this one copies.
    ///
    /// # Errors
    /// When bands or n-grams can't be read back from their file.
    pub fn find(&mut self, fingerprint: &Fingerprint) -> Result<Option<Duplicate>, DataError> {
        let met = self.buckets.met(&fingerprint.keys).map_err(failed)?;
        let Some(least) = self.config.verify else {
            let first = met.first().map(|text| Duplicate { of: self.ids[*text], similarity: 1.0 });
            return Ok(first);
        };
        if met.is_empty() {
            return Ok(None);
        }
        let grams = sorted(fingerprint.grams.clone());
        let mut best: Option<Duplicate> = None;
        for text in met {
            let mut known = self.grams.get(text).map_err(failed)?;
            if self.minds_numbers() && differ(&fingerprint.numbers, &split_numbers(&mut known)) {
                continue;
            }
            let similarity = jaccard(&grams, &sorted(known));
            if similarity >= least && best.is_none_or(|known| similarity > known.similarity) {
                best = Some(Duplicate { of: self.ids[text], similarity });
            }
        }
        Ok(best)
    }

    /// Number of texts kept.
    pub fn kept(&self) -> usize {
        self.ids.len()
    }

    fn keep(&mut self, id: u64, fingerprint: &Fingerprint) -> Result<(), DataError> {
        if fingerprint.keys.is_empty() {
            return Ok(());
        }
        if self.minds_numbers() {
            self.grams.push(&with_numbers(fingerprint)).map_err(failed)?;
        } else if self.config.verify.is_some() {
            self.grams.push(&fingerprint.grams).map_err(failed)?;
        }
        self.buckets.keep(&fingerprint.keys).map_err(failed)?;
        self.ids.push(id);
        Ok(())
    }
}

fn failed(source: std::io::Error) -> DataError {
    DataError::Caller { what: "the index of near-duplicates", source: source.into() }
}

/// The n-grams, the numbers, and how many numbers there are.
fn with_numbers(of: &Fingerprint) -> Vec<u32> {
    let count = u32::try_from(of.numbers.len()).unwrap_or(u32::MAX);
    [of.grams.as_slice(), &of.numbers[..count as usize], &[count]].concat()
}

/// Takes the numbers from what [`with_numbers`] made; n-grams are left.
fn split_numbers(grams: &mut Vec<u32>) -> Vec<u32> {
    let count = grams.pop().unwrap_or(0) as usize;
    grams.split_off(grams.len().saturating_sub(count))
}

fn sorted(mut grams: Vec<u32>) -> Vec<u32> {
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// Jaccard similarity of two sorted sets; 0 for two empty ones.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0_usize);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                both += 1;
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    let all = a.len() + b.len() - both;
    if all == 0 { 0.0 } else { both as f64 / all as f64 }
}

/// Finds near-duplicates among texts, on all threads; ids are positions. The result doesn't depend
/// on the number of threads.
///
/// ```
/// use refire_data::{NearConfig, near_duplicates};
/// let found = near_duplicates(&["Is it so?", "is it so"], NearConfig::default())?;
/// assert!(found[0].is_none() && found[1].is_some());
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// When the configuration is wrong, or a file of the index fails.
pub fn near_duplicates<T: AsRef<str> + Sync>(
    texts: &[T],
    config: NearConfig,
) -> Result<Vec<Option<Duplicate>>, DataError> {
    const BLOCK: usize = 4096;
    let mut near = NearDedup::new(config)?;
    let mut found = Vec::with_capacity(texts.len());
    for block in texts.chunks(BLOCK) {
        let prints: Vec<_> = block.par_iter().map(|text| near.fingerprint(text.as_ref())).collect();
        for print in prints {
            found.push(near.add(found.len() as u64, print)?);
        }
    }
    Ok(found)
}

/// All pairs of positions that share a band, each once: what classic MinHash-LSH calls
/// candidates.
///
/// ```
/// use refire_data::{NearConfig, NearDedup, candidate_pairs};
/// let near = NearDedup::new(NearConfig::default())?;
/// let texts = ["Is it so? Nobody knows.", "It was never said.", "is it so? nobody knows"];
/// let prints: Vec<_> = texts.iter().map(|text| near.fingerprint(text)).collect();
/// assert_eq!(candidate_pairs(&prints), [(0, 2)]);
/// # Ok::<(), refire_data::DataError>(())
/// ```
pub fn candidate_pairs(fingerprints: &[Fingerprint]) -> Vec<(usize, usize)> {
    let bands = fingerprints.iter().map(|print| print.keys.len()).max().unwrap_or(0);
    let mut pairs: Vec<(usize, usize)> = (0..bands)
        .into_par_iter()
        .flat_map_iter(|band| {
            let mut keys: Vec<(u64, usize)> = fingerprints
                .iter()
                .enumerate()
                .filter_map(|(at, print)| Some((*print.keys.get(band)?, at)))
                .collect();
            keys.sort_unstable();
            let mut pairs = Vec::new();
            for equal in keys.chunk_by(|a, b| a.0 == b.0) {
                for (i, (_, first)) in equal.iter().enumerate() {
                    pairs.extend(equal[i + 1..].iter().map(|(_, second)| (*first, *second)));
                }
            }
            pairs
        })
        .collect();
    pairs.par_sort_unstable();
    pairs.dedup();
    pairs
}
