//! Items found by their letters alone: what is left of a problem whose numbers were changed.

use super::index::Index;
use crate::text::{KeyMap, fold};
use xxhash_rust::xxh3::xxh3_64;

/// Items by their letters, whole and within texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Letters {
    /// Items by the hash of all their letters.
    whole: KeyMap<u32>,
    /// Long items by the hash of their first [`ANCHOR`] letters.
    anchors: Index,
    /// Bytes of an item's letters, and their hash; by number.
    items: Vec<(usize, u64)>,
}

/// The letters of a text, and where its words begin.
#[derive(Default)]
pub(super) struct Stripped {
    letters: Vec<u8>,
    /// (place among the letters, place in the text) of each first letter of a word.
    starts: Vec<(u32, u32)>,
}

/// Letters of an item that are looked for before the whole of it: enough that few texts have them by
/// chance.
const ANCHOR: usize = 24;

impl Letters {
    /// Adds the next item, in the order of their numbers; one with fewer than `least` letters isn't
    /// looked for, one with fewer than `least_within` not within longer texts.
    pub(super) fn add(&mut self, text: &str, least: usize, least_within: usize) {
        let mut stripped = Stripped::default();
        stripped.fill(text);
        let letters = &stripped.letters;
        let (number, hash) = (self.items.len() as u32, xxh3_64(letters));
        self.items.push((letters.len(), hash));
        if letters.len() < least.max(1) {
            return;
        }
        self.whole.entry(hash).or_insert(number);
        if let Some(first) = letters.first_chunk().filter(|_| letters.len() >= least_within) {
            self.anchors.add(anchor(first), number);
        }
    }

    /// An item whose letters a text consists of, or else holds, between ends of words; with the
    /// passage of the text.
    pub(super) fn find<'a>(&self, text: &'a str, scratch: &mut Stripped) -> Option<(u32, &'a str)> {
        if self.whole.is_empty() {
            return None;
        }
        scratch.fill(text);
        let Stripped { letters, starts } = scratch;
        if let Some(item) = self.whole.get(&xxh3_64(letters)) {
            return Some((*item, text));
        }
        for (word, (at, _)) in starts.iter().enumerate() {
            let at = *at as usize;
            let Some(first) = letters[at..].first_chunk() else { break };
            let mut held = None;
            for item in self.anchors.items(anchor(first)) {
                let (length, hash) = self.items[item as usize];
                let end = at + length;
                let known = held.is_none_or(|(best, _)| item < best);
                if known
                    && letters.get(at..end).is_some_and(|letters| xxh3_64(letters) == hash)
                    && is_end(starts, letters.len(), end)
                {
                    held = Some((item, end));
                }
            }
            if let Some((item, end)) = held {
                return Some((item, passage(text, starts, word, end)));
            }
        }
        None
    }
}

/// True if a word ends before the letter at `end`.
fn is_end(starts: &[(u32, u32)], letters: usize, end: usize) -> bool {
    end == letters || starts.binary_search_by_key(&end, |(at, _)| *at as usize).is_ok()
}

/// The text from the start of a word to that of the one behind the letter before `end`.
fn passage<'a>(text: &'a str, starts: &[(u32, u32)], word: usize, end: usize) -> &'a str {
    let from = starts[word].1 as usize;
    let next = starts.binary_search_by_key(&end, |(at, _)| *at as usize);
    let to = next.map_or(text.len(), |next| starts[next].1 as usize);
    text.get(from..to).unwrap_or_default().trim_end()
}

impl Stripped {
    /// The letters in lower case, without digits, spaces and marks.
    fn fill(&mut self, text: &str) {
        let Self { letters, starts } = self;
        letters.clear();
        starts.clear();
        if text.is_ascii() {
            self.fill_ascii(text.as_bytes());
            return;
        }
        let mut within = false;
        let mut utf8 = [0; 4];
        for (at, c) in text.char_indices() {
            if c.is_alphabetic() {
                if !within {
                    starts.push((letters.len() as u32, at as u32));
                }
                for lower in c.to_lowercase() {
                    letters.extend(lower.encode_utf8(&mut utf8).bytes());
                }
            }
            within = c.is_alphabetic();
        }
    }

    /// Writes every byte and every place, and goes on behind those that count: no branch to guess.
    fn fill_ascii(&mut self, text: &[u8]) {
        let Self { letters, starts } = self;
        letters.resize(text.len() + 1, 0);
        starts.resize(text.len() / 2 + 2, (0, 0));
        let (mut n, mut words, mut within) = (0, 0, false);
        for (at, byte) in text.iter().enumerate() {
            let lower = byte | 0x20;
            let letter = lower.wrapping_sub(b'a') < 26;
            letters[n] = lower;
            starts[words] = (n as u32, at as u32);
            words += usize::from(letter & !within);
            n += usize::from(letter);
            within = letter;
        }
        letters.truncate(n);
        starts.truncate(words);
    }
}

/// Hash of the first letters of an item.
fn anchor(letters: &[u8; ANCHOR]) -> u64 {
    letters.as_chunks().0.iter().fold(0, |hash, part| fold(hash, u64::from_le_bytes(*part)))
}
