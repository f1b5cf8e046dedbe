use super::Rejection;
use super::gopher::words;
use crate::text::{KeyMap, KeySet, for_ngrams};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_64;

/// Gopher's rules on repetition (Rae et al., arXiv 2112.11446, table A1), as datatrove has them.
///
/// ```
/// use refire_data::Repetition;
/// let again = "The same line.\n".repeat(9);
/// assert_eq!(Repetition::default().check(&again).unwrap().rule, "repeated lines");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repetition {
    /// Most repeated lines, as a share of lines.
    pub max_lines: f64,
    /// Most repeated paragraphs, as a share of paragraphs.
    pub max_paragraphs: f64,
    /// Most characters in repeated lines, as a share of all.
    pub max_line_chars: f64,
    /// Most characters in repeated paragraphs, as a share of all.
    pub max_paragraph_chars: f64,
    /// For the most frequent 2-, 3- and 4-gram: most of its characters, as a share of all.
    pub max_top: [f64; 3],
    /// For repeated 5- to 10-grams: most of their characters, as a share of all.
    pub max_repeated: [f64; 6],
}

impl Default for Repetition {
    fn default() -> Self {
        Self {
            max_lines: 0.3,
            max_paragraphs: 0.3,
            max_line_chars: 0.2,
            max_paragraph_chars: 0.2,
            max_top: [0.20, 0.18, 0.16],
            max_repeated: [0.15, 0.14, 0.13, 0.12, 0.11, 0.10],
        }
    }
}

impl Repetition {
    /// Every limit times a factor, at most 1.
    pub fn relaxed(&self, factor: f64) -> Self {
        let up = |limit: f64| (limit * factor).min(1.0);
        Self {
            max_lines: up(self.max_lines),
            max_paragraphs: up(self.max_paragraphs),
            max_line_chars: up(self.max_line_chars),
            max_paragraph_chars: up(self.max_paragraph_chars),
            max_top: self.max_top.map(up),
            max_repeated: self.max_repeated.map(up),
        }
    }

    /// The first rule that turns a text down.
    pub fn check(&self, text: &str) -> Option<Rejection> {
        let text = text.trim();
        let length = text.chars().count().max(1) as f64;
        let paragraphs: Vec<&str> = split(text, true);
        let lines: Vec<&str> = split(text, false);
        for (name, parts, most, most_chars) in [
            ("repeated paragraphs", &paragraphs, self.max_paragraphs, self.max_paragraph_chars),
            ("repeated lines", &lines, self.max_lines, self.max_line_chars),
        ] {
            let (count, chars) = repeated_parts(parts);
            let share = count as f64 / parts.len().max(1) as f64;
            let found = Rejection::outside(name, share, 0.0, most).or_else(|| {
                let rule = format!("characters of {name}");
                Rejection::outside(&rule, chars as f64 / length, 0.0, most_chars)
            });
            if found.is_some() {
                return found;
            }
        }
        let words = Hashed::new(&words(text));
        let mut recurring = Recurring::default();
        for (n, most) in (2..).zip(self.max_top) {
            let share = recurring.top_chars(&words, n) as f64 / length;
            if let Some(found) = Rejection::outside(&format!("top {n}-gram"), share, 0.0, most) {
                return Some(found);
            }
        }
        for (n, most) in (5..).zip(self.max_repeated) {
            let share = recurring.repeated_chars(&words, n) as f64 / length;
            if let Some(found) =
                Rejection::outside(&format!("repeated {n}-grams"), share, 0.0, most)
            {
                return Some(found);
            }
        }
        None
    }
}

/// Paragraphs (parted by blank lines) or lines, without empty ones.
fn split(text: &str, paragraphs: bool) -> Vec<&str> {
    let parts: Box<dyn Iterator<Item = &str>> =
        if paragraphs { Box::new(text.split("\n\n")) } else { Box::new(text.split('\n')) };
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// How many parts stood before, and their characters.
fn repeated_parts(parts: &[&str]) -> (usize, usize) {
    let mut seen = HashSet::new();
    let repeated = parts.iter().filter(|part| !seen.insert(**part));
    repeated.fold((0, 0), |(count, chars), part| (count + 1, chars + part.chars().count()))
}

/// Words as hashes, and where each begins when they are written without spaces.
struct Hashed {
    words: Vec<u64>,
    /// Characters before each word, and after the last one.
    before: Vec<usize>,
}

impl Hashed {
    fn new(words: &[&str]) -> Self {
        let mut before = vec![0];
        let mut chars = 0;
        for word in words {
            chars += word.chars().count();
            before.push(chars);
        }
        Self { words: words.iter().map(|word| xxh3_64(word.as_bytes())).collect(), before }
    }

    /// Characters of the `n` words from `at` on, without spaces.
    fn chars(&self, at: usize, n: usize) -> usize {
        self.before[at + n] - self.before[at]
    }
}

/// The n-grams that stand more than once: where they stand, and their hashes. Those of `n + 1` words
/// are among places where this n-gram and the next recur, which are few, so only the shortest are
/// looked for everywhere.
#[derive(Default)]
struct Recurring {
    n: usize,
    /// (first word, n-gram), in the order of words.
    places: Vec<(usize, u64)>,
    /// For each n-gram its first place, and how often it stands.
    counts: KeyMap<(usize, usize)>,
}

impl Recurring {
    /// Goes on to longer n-grams.
    fn lengthen(&mut self, words: &Hashed, n: usize) {
        let known = std::mem::take(&mut self.places);
        let mut candidates = Vec::with_capacity(known.len());
        if self.n == 0 {
            candidates.reserve(words.words.len());
            for_ngrams(&words.words, n, |at, gram| candidates.push((at, gram)));
        } else {
            for pair in known.windows(2).filter(|pair| pair[0].0 + 1 == pair[1].0) {
                let at = pair[0].0;
                for_ngrams(&words.words[at..at + n], n, |_, gram| candidates.push((at, gram)));
            }
        }
        self.n = n;
        self.counts = KeyMap::with_capacity_and_hasher(candidates.len(), Default::default());
        for (at, gram) in &candidates {
            self.counts.entry(*gram).or_insert((*at, 0)).1 += 1;
        }
        self.counts.retain(|_, (_, count)| *count > 1);
        candidates.retain(|(_, gram)| self.counts.contains_key(gram));
        self.places = candidates;
    }

    /// Characters of the most frequent n-gram (with the spaces between its words), all its
    /// occurrences together; 0 if none is repeated. Of several equally frequent ones the longest
    /// counts.
    fn top_chars(&mut self, words: &Hashed, n: usize) -> usize {
        self.lengthen(words, n);
        let each = self.counts.values();
        let all = each.map(|(at, count)| (count, count * (words.chars(*at, n) + n - 1)));
        all.max().map_or(0, |(_, chars)| chars)
    }

    /// Characters of n-grams that stood before, without the spaces between words, as datatrove
    /// counts them; a hit is jumped over, so none counts twice.
    fn repeated_chars(&mut self, words: &Hashed, n: usize) -> usize {
        self.lengthen(words, n);
        let (mut seen, mut free, mut repeated) = (KeySet::default(), 0, 0);
        for (at, gram) in &self.places {
            if *at >= free && !seen.insert(*gram) {
                repeated += words.chars(*at, n);
                free = at + n;
            }
        }
        repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::mix;

    #[test]
    fn recurring_grams_are_all_there() {
        for seed in 0..300 {
            let texts: Vec<String> =
                (0..150).map(|i| format!("{}", mix(seed << 20 | i) % (3 + seed))).collect();
            let words = Hashed::new(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let mut recurring = Recurring::default();
            for n in 2..=10 {
                let grams: Vec<&[u64]> = words.words.windows(n).collect();
                let count = |gram: &[u64]| grams.iter().filter(|other| **other == gram).count();
                let all = (0..grams.len()).map(|at| (at, count(grams[at])));
                let repeated_grams = all.filter(|(_, count)| *count > 1);
                let top = repeated_grams.map(|(at, k)| (k, k * (words.chars(at, n) + n - 1)));
                let top = top.max().map_or(0, |(_, chars)| chars);
                let (mut seen, mut at, mut repeated) = (std::collections::HashSet::new(), 0, 0);
                while at < grams.len() {
                    let again = !seen.insert(grams[at]);
                    repeated += if again { words.chars(at, n) } else { 0 };
                    at += if again { n } else { 1 };
                }
                if n < 5 {
                    assert_eq!(recurring.top_chars(&words, n), top, "{n}");
                } else {
                    assert_eq!(recurring.repeated_chars(&words, n), repeated, "{n}");
                }
            }
        }
    }
}
