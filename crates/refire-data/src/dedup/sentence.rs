use crate::DataError;
use crate::text::{KeySet, Words, fold, sentences};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How repeated sentences are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SentenceConfig {
    /// Sentences in a span: 3, as C4 and datatrove.
    pub span: usize,
    /// Words.
    pub words: Words,
    /// Spans of fewer words are never duplicates.
    pub min_words: usize,
}

impl Default for SentenceConfig {
    fn default() -> Self {
        Self { span: 3, words: Words::default(), min_words: 8 }
    }
}

/// Cuts out spans of sentences that stood in an earlier text, as C4 did: boilerplate goes, the rest
/// of the text stays.
///
/// ```
/// use refire_data::{SentenceConfig, SentenceDedup};
/// let mut sentences = SentenceDedup::new(SentenceConfig { span: 1, ..SentenceConfig::default() })?;
/// let notice = "Please read all of our terms and conditions before you go on.";
/// assert_eq!(sentences.clean(&format!("First. {notice}")), None);
/// assert_eq!(sentences.clean(&format!("Second. {notice}")).unwrap(), "Second. ");
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SentenceDedup {
    config: SentenceConfig,
    seen: KeySet,
}

impl SentenceDedup {
    /// A search that has seen nothing.
    ///
    /// # Errors
    /// For spans of no sentence.
    pub fn new(config: SentenceConfig) -> Result<Self, DataError> {
        if config.span == 0 {
            return Err(DataError::out_of_range("span", 0, "at least 1"));
        }
        Ok(Self { config, seen: KeySet::default() })
    }

    /// The text without repeated spans; `None` when nothing is repeated. A span that is repeated
    /// within one text stays.
    pub fn clean(&mut self, text: &str) -> Option<String> {
        let ranges = sentences(text);
        let hashed: Vec<(u64, usize)> =
            ranges.iter().map(|range| self.hash(&text[range.clone()])).collect();
        let mut repeated = vec![false; ranges.len()];
        let mut fresh = Vec::new();
        for (start, span) in hashed.windows(self.config.span).enumerate() {
            if span.iter().map(|(_, words)| words).sum::<usize>() < self.config.min_words {
                continue;
            }
            let key = span.iter().fold(0, |key, (hash, _)| fold(key, *hash));
            if self.seen.contains(&key) {
                repeated[start..start + span.len()].fill(true);
            } else {
                fresh.push(key);
            }
        }
        self.seen.extend(fresh);
        if !repeated.contains(&true) {
            return None;
        }
        let kept = ranges.iter().zip(&repeated).filter(|(_, repeated)| !**repeated);
        Some(kept.map(|(range, _): (&Range<usize>, _)| &text[range.clone()]).collect())
    }

    fn hash(&self, sentence: &str) -> (u64, usize) {
        let (mut hash, mut words) = (0, 0);
        self.config.words.each(sentence, |word, _, _| {
            hash = fold(hash, word);
            words += 1;
        });
        (hash, words)
    }
}
