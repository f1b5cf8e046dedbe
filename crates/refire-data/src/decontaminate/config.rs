use crate::DataError;
use crate::text::Words;
use serde::{Deserialize, Serialize};

/// How overlap with a benchmark is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecontaminationConfig {
    /// Words in an n-gram. 13 as GPT-3's check; open-r1 takes 8, which also meets phrases that
    /// problems have in common (0.94 % of GSM8K's training questions share 8 words with its test,
    /// 0.05 % share 13).
    pub ngram: usize,
    /// Least share of an item's n-grams that a text must hold, in `[0, 1]`; 0 takes any single
    /// one. With 8-grams 0.5 is a good choice.
    pub min_coverage: f64,
    /// Words; white space and case only, as open-r1.
    pub words: Words,
    /// An item shorter than an n-gram is found as a whole: anywhere in a text if it has at least
    /// this many words, otherwise only where the whole text equals it.
    pub min_short_words: usize,
    /// Also compare texts with everything but letters left out, as Light-R1: finds items in which
    /// only the numbers were changed. Light-R1 compares whole texts; long items are found within
    /// texts too, behind a system message or in a chat.
    pub digit_stripped: bool,
    /// Items with fewer letters are left out of that comparison, since little is left of them.
    pub min_letters: usize,
    /// Items with fewer letters are compared with whole texts only: `Find the greatest common
    /// divisor of … and …` is a phrase that many problems have in common. At least 24.
    pub min_letters_within: usize,
}

impl Default for DecontaminationConfig {
    fn default() -> Self {
        Self {
            ngram: 13,
            min_coverage: 0.0,
            words: Words::whitespace(),
            min_short_words: 6,
            digit_stripped: true,
            min_letters: 24,
            min_letters_within: 60,
        }
    }
}

impl DecontaminationConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DataError> {
        let mut problems = Vec::new();
        if self.ngram == 0 {
            problems.push(DataError::out_of_range("ngram", 0, "at least 1"));
        }
        if !(0.0..=1.0).contains(&self.min_coverage) {
            let value = self.min_coverage;
            problems.push(DataError::out_of_range("min_coverage", value, "from 0 to 1"));
        }
        problems
    }
}
