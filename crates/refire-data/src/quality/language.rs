use crate::text::{KeyMap, KeySet};
use std::borrow::Cow;
use std::cell::LazyCell;
use std::sync::LazyLock;
use xxhash_rust::xxh3::xxh3_64;

/// Letters a passage must have for its language to be told; below, detection guesses.
const MIN_LETTERS: usize = 40;

/// The language of a text as a code of ISO 639-3; `None` where it can't be told reliably: texts of
/// fewer than 40 letters, and those the detector doubts. Formulas, numbers and code words are left
/// out first; of a text that is longer than 1,200 bytes its beginning, middle and end are read.
///
/// ```
/// let text = "How many apples does she have left after giving three of them to her brother?";
/// assert_eq!(refire_data::language(text), Some("eng"));
/// assert_eq!(refire_data::language("x = 5"), None);
/// ```
pub fn language(text: &str) -> Option<&'static str> {
    let sample = sample(text);
    let prose = prose(&sample);
    if prose.chars().filter(|c| c.is_alphabetic()).count() < MIN_LETTERS {
        return None;
    }
    let info = whatlang::detect(&prose)?;
    info.is_reliable().then(|| info.lang().code())
}

/// Bytes of each of the three parts that are read of a long text.
const PART: usize = 400;

/// A text, or its beginning, middle and end.
fn sample(text: &str) -> Cow<'_, str> {
    if text.len() <= 3 * PART {
        return Cow::Borrowed(text);
    }
    let part = |from: usize| {
        let end = text.ceil_char_boundary(from + PART);
        &text[text.floor_char_boundary(from)..end]
    };
    let parts = [0, (text.len() - PART) / 2, text.len() - PART].map(part);
    Cow::Owned(parts.join(" "))
}

const LANGUAGES: usize = 7;

/// Words that are frequent in one of these languages and strange to the others.
const FUNCTION_WORDS: [(&str, &[&str]); LANGUAGES] = [
    (
        "eng",
        &[
            "the", "and", "of", "is", "are", "he", "she", "they", "how", "each", "his", "her",
            "has", "have", "with", "for", "per", "this", "that", "then", "which", "were", "was",
            "it", "what", "my", "many", "much", "does", "if", "from", "than", "more", "in", "at",
        ],
    ),
    (
        "spa",
        &[
            "el", "los", "las", "que", "cuántas", "cuántos", "tenemos", "después", "primero",
            "entonces", "para", "por", "cada", "del", "una", "hermano", "más", "es", "su", "le",
            "calcular", "total", "son", "y",
        ],
    ),
    (
        "fra",
        &[
            "les", "des", "est", "que", "qui", "une", "nous", "pour", "dans", "donc", "avec",
            "combien", "chaque", "il", "elle", "sont", "du", "et", "au", "par", "ensuite",
        ],
    ),
    (
        "deu",
        &[
            "der", "die", "das", "und", "ist", "wir", "wie", "viele", "nachdem", "müssen", "ihm",
            "zuerst", "er", "sie", "mit", "für", "dann", "jeder", "bleiben", "hat", "ein", "eine",
        ],
    ),
    (
        "por",
        &[
            "os",
            "que",
            "uma",
            "para",
            "não",
            "ele",
            "ela",
            "então",
            "quantas",
            "quantos",
            "depois",
            "precisamos",
            "cada",
            "com",
            "são",
            "é",
            "seu",
            "do",
            "da",
            "em",
        ],
    ),
    (
        "ita",
        &[
            "il", "gli", "che", "una", "per", "sono", "quindi", "quante", "quanti", "dopo",
            "della", "dobbiamo", "ogni", "con", "è", "suo", "ha", "di", "poi", "e",
        ],
    ),
    (
        "nld",
        &[
            "het", "een", "wij", "hoeveel", "zijn", "daarna", "moeten", "voor", "met", "elke",
            "dan", "heeft", "eerst", "hij", "zij", "van", "en", "we", "nog", "niet",
        ],
    ),
];

/// Function words that say a language, and most of the expected language beside them.
const VOTES: usize = 4;

/// The language of the first passage that is surely not in that of the prompt, and then of all
/// passages together: by function words, which short passages have too, or else by letters. A
/// passage most of whose letters are in words of the prompt is in its language.
pub(super) fn other_language<'a>(
    passages: impl IntoIterator<Item = &'a str>,
    whole: &str,
    prompt: &str,
    expected: &str,
) -> Option<&'static str> {
    let known = LazyCell::new(|| words(prompt).map(hash).collect::<KeySet>());
    let other_by = |votes: &[usize; LANGUAGES], text: &str| {
        by_votes(votes, expected).unwrap_or_else(|| {
            let own = mostly_in(text, &known);
            if own { None } else { language(text).filter(|found| *found != expected) }
        })
    };
    let (mut all, mut count) = ([0; LANGUAGES], 0);
    for passage in passages {
        let votes = all_votes(passage);
        let other = other_by(&votes, passage);
        if other.is_some() {
            return other;
        }
        all.iter_mut().zip(votes).for_each(|(sum, votes)| *sum += votes);
        count += 1;
    }
    if count > 1 { other_by(&all, whole) } else { None }
}

/// The other language that function words say, or that there is none; `None` if they don't say.
fn by_votes(votes: &[usize; LANGUAGES], expected: &str) -> Option<Option<&'static str>> {
    let (mut own, mut most, mut other) = (0, 0, "");
    for ((code, _), votes) in FUNCTION_WORDS.iter().zip(votes) {
        if *code == expected {
            own = *votes;
        } else if *votes > most {
            (most, other) = (*votes, code);
        }
    }
    if most >= VOTES && most >= 3 * own {
        return Some(Some(other));
    }
    // A passage with the expected language's function words isn't of another, whatever its letters
    // say; nor need they be asked, which takes most of the time.
    (own >= 2 && own >= most).then_some(None)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty())
}

/// A word's hash, whatever its case.
fn hash(word: &str) -> u64 {
    if word.chars().any(char::is_uppercase) {
        xxh3_64(word.to_lowercase().as_bytes())
    } else {
        xxh3_64(word.as_bytes())
    }
}

/// True if at least half of a text's letters (bytes of them) are in known words.
fn mostly_in(text: &str, known: &KeySet) -> bool {
    let (mut own, mut all) = (0, 0);
    for word in words(text) {
        all += word.len();
        own += if known.contains(&hash(word)) { word.len() } else { 0 };
    }
    2 * own >= all
}

/// The language of a prompt: by its function words where they say it clearly (the detector takes a
/// short text full of names for anything), or else by its letters.
pub(super) fn prompt_language(text: &str) -> Option<&'static str> {
    let mut found: Vec<(usize, &str)> =
        all_votes(text).into_iter().zip(FUNCTION_WORDS.iter().map(|(code, _)| *code)).collect();
    found.sort_unstable_by_key(|(votes, _)| std::cmp::Reverse(*votes));
    let clear = |least: usize| found[0].0 >= least && found[0].0 >= 2 * found[1].0;
    if clear(VOTES) {
        return Some(found[0].1);
    }
    language(text).or_else(|| clear(2).then_some(found[0].1))
}

/// Function words of each language in a text, in the order of [`FUNCTION_WORDS`].
fn all_votes(text: &str) -> [usize; LANGUAGES] {
    static LANGUAGES_OF: LazyLock<KeyMap<u8>> = LazyLock::new(|| {
        let mut of: KeyMap<u8> = KeyMap::default();
        for (at, (_, words)) in FUNCTION_WORDS.iter().enumerate() {
            for word in *words {
                *of.entry(xxh3_64(word.as_bytes())).or_default() |= 1 << at;
            }
        }
        of
    });
    let mut votes = [0; LANGUAGES];
    for word in words(text) {
        let of = |word: &str| LANGUAGES_OF.get(&xxh3_64(word.as_bytes())).copied();
        let bits = if word.chars().any(char::is_uppercase) {
            of(word).or_else(|| of(&word.to_lowercase()))
        } else {
            of(word)
        };
        let bits = bits.unwrap_or(0);
        votes.iter_mut().enumerate().for_each(|(at, n)| *n += usize::from(bits >> at & 1));
    }
    votes
}

/// A text without formulas (`$…$`, `\(…\)`, commands), digits and words that hold them.
fn prose(text: &str) -> Cow<'_, str> {
    let plain = |c: char| !(c.is_ascii_digit() || matches!(c, '$' | '\\' | '_' | '=' | '{'));
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let without: Vec<Cow<'_, str>> = text
        .split('$')
        .enumerate()
        .map(|(index, part)| {
            // Between a pair of dollar signs stands a formula; prices have no second sign near.
            let formula = index % 2 == 1 && part.len() < 60 && !part.contains(' ');
            if formula { Cow::Borrowed(" ") } else { Cow::Borrowed(part) }
        })
        .collect();
    let kept: Vec<&str> = without
        .iter()
        .flat_map(|part| part.split_whitespace())
        .filter(|word| word.chars().all(plain))
        .collect();
    Cow::Owned(kept.join(" "))
}

/// Scripts of letters, as far as they are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Arabic,
    Hebrew,
    Devanagari,
    Thai,
    Hangul,
    Kana,
    Han,
    Other,
}

const SCRIPTS: usize = 10;

fn script(c: char) -> Option<Script> {
    Some(match u32::from(c) {
        0x41..=0x5a | 0x61..=0x7a | 0xc0..=0x24f | 0x1e00..=0x1eff => Script::Latin,
        // Greek letters and mathematical alphabets are formulas in any language.
        0x370..=0x3ff | 0x1d400..=0x1d7ff | 0x2100..=0x214f => return None,
        0x400..=0x52f => Script::Cyrillic,
        0x590..=0x5ff => Script::Hebrew,
        0x600..=0x6ff | 0x750..=0x77f => Script::Arabic,
        0x900..=0x97f => Script::Devanagari,
        0xe00..=0xe7f => Script::Thai,
        0x1100..=0x11ff | 0xac00..=0xd7af => Script::Hangul,
        0x3040..=0x30ff => Script::Kana,
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0x2_0000..=0x3_ffff => Script::Han,
        _ if c.is_alphabetic() => Script::Other,
        _ => return None,
    })
}

fn scripts(text: &str) -> [usize; SCRIPTS] {
    let mut counts = [0; SCRIPTS];
    if text.is_ascii() {
        counts[Script::Latin as usize] = text.bytes().filter(u8::is_ascii_alphabetic).count();
        return counts;
    }
    text.chars().filter_map(script).for_each(|script| counts[script as usize] += 1);
    counts
}

/// Share of a response's letters, in `[0, 1]`, in scripts that the prompt doesn't use at all. Han
/// and kana count as one, since Japanese mixes them.
///
/// ```
/// assert_eq!(refire_data::foreign_share("How many?", "We get 因此 two."), 2.0 / 10.0);
/// ```
pub fn foreign_share(prompt: &str, response: &str) -> f64 {
    let (known, found) = (scripts(prompt), scripts(response));
    let all: usize = found.iter().sum();
    if all == 0 || known.iter().all(|count| *count == 0) {
        return 0.0;
    }
    let japanese = known[Script::Kana as usize] > 0;
    // Every language of mathematics uses Latin letters for its unknowns.
    let expected = |script: usize| {
        known[script] > 0
            || script == Script::Latin as usize
            || (japanese && script == Script::Han as usize)
    };
    let foreign: usize = (0..SCRIPTS).filter(|s| !expected(*s)).map(|s| found[s]).sum();
    foreign as f64 / all as f64
}

/// Letters of a passage that can be called one of another script.
const PASSAGE: usize = 8;

/// True for a passage that is mostly in scripts the prompt doesn't use.
pub(super) fn is_foreign(prompt: &str, passage: &str) -> bool {
    !passage.is_ascii()
        && scripts(passage).iter().sum::<usize>() >= PASSAGE
        && foreign_share(prompt, passage) > 0.5
}
