use super::mix;
use serde::{Deserialize, Serialize};
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// Where words end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Letters and digits make words; punctuation separates them. A decimal point stays in its
    /// number, a thousands separator is dropped, an operator (`+ * / = < > ^ %`, and `-` before a
    /// number) is a word by itself, and so is each Chinese or Japanese character.
    #[default]
    Words,
    /// White space separates; punctuation belongs to the words. So do most published n-gram
    /// checks.
    Whitespace,
}

/// What becomes of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// They count as they are: a problem with other numbers is another problem.
    #[default]
    Keep,
    /// Every number counts as `0`: problems that differ in their numbers look alike.
    Mask,
}

/// How a text becomes words, and words 64-bit hashes that are the same on every machine.
///
/// Case is ignored, and so are accents unless `accents` is set.
///
/// ```
/// use refire_data::{Numbers, Words};
/// let words = Words::default();
/// assert_eq!(words.hashes("It costs $1,200.50 today!"), words.hashes("it costs 1200.50 TODAY"));
/// assert_ne!(words.hashes("2 + 3"), words.hashes("2 - 3"));
/// let masked = Words { numbers: Numbers::Mask, ..Words::default() };
/// assert_eq!(masked.hashes("He has 12 pens."), masked.hashes("He has 7 pens."));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// Where words end.
    pub split: Split,
    /// What becomes of numbers.
    pub numbers: Numbers,
    /// Tell `é` from `e`.
    pub accents: bool,
}

impl Words {
    /// White space alone separates, and everything but case counts.
    pub fn whitespace() -> Self {
        Self { split: Split::Whitespace, numbers: Numbers::Keep, accents: true }
    }

    /// One hash a word.
    pub fn hashes(&self, text: &str) -> Vec<u64> {
        let mut hashes = Vec::new();
        self.hash_into(text, &mut hashes);
        hashes
    }

    /// Writes one hash a word into a buffer, which is cleared first.
    pub(crate) fn hash_into(&self, text: &str, hashes: &mut Vec<u64>) {
        hashes.clear();
        self.each(text, |hash, _, _| hashes.push(hash));
    }

    /// Calls `word` with the hash of each word and the bytes `start..end` it stands at.
    pub(crate) fn each(&self, text: &str, word: impl FnMut(u64, usize, usize)) {
        match self.split {
            Split::Words => Scan::<true, _>::new(*self, text, word).run(),
            Split::Whitespace => Scan::<false, _>::new(*self, text, word).run(),
        }
    }
}

const START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// What an ASCII byte is: 0 separates, 1 is an operator, others are the byte in lower case.
const fn classes(words: bool) -> [u8; 128] {
    let mut table = [0_u8; 128];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = if words {
            match b {
                b'+' | b'*' | b'/' | b'=' | b'<' | b'>' | b'^' | b'%' => 1,
                _ if b.is_ascii_alphanumeric() => b.to_ascii_lowercase(),
                _ => 0,
            }
        } else {
            match b {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1f => 0,
                _ => b.to_ascii_lowercase(),
            }
        };
        byte += 1;
    }
    table
}

const WORDS: [u8; 128] = classes(true);
const WHITESPACE: [u8; 128] = classes(false);

struct Scan<'a, const WORD: bool, F> {
    config: Words,
    text: &'a str,
    word: F,
    hash: u64,
    start: usize,
    inside: bool,
    in_number: bool,
}

impl<'a, const WORD: bool, F: FnMut(u64, usize, usize)> Scan<'a, WORD, F> {
    fn new(config: Words, text: &'a str, word: F) -> Self {
        Self { config, text, word, hash: START, start: 0, inside: false, in_number: false }
    }

    fn run(mut self) {
        let table = if WORD { &WORDS } else { &WHITESPACE };
        let bytes = self.text.as_bytes();
        let mask = self.config.numbers == Numbers::Mask;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if byte >= 0x80 {
                at += self.character(at);
                continue;
            }
            match table[usize::from(byte)] {
                0 => at += self.separator(at, byte),
                1 if WORD => {
                    self.end(at);
                    self.single(at, at + 1, u64::from(byte));
                    at += 1;
                }
                class => {
                    let digit = class.is_ascii_digit();
                    self.begin(at);
                    if !(mask && digit) {
                        self.hash = (self.hash ^ u64::from(class)).wrapping_mul(PRIME);
                    } else if !self.in_number {
                        self.hash = (self.hash ^ u64::from(b'0')).wrapping_mul(PRIME);
                    }
                    self.in_number = digit;
                    at += 1;
                }
            }
        }
        self.end(bytes.len());
    }

    #[inline(always)]
    fn begin(&mut self, at: usize) {
        if !self.inside {
            (self.inside, self.start, self.hash) = (true, at, START);
        }
    }

    #[inline(always)]
    fn end(&mut self, at: usize) {
        if self.inside {
            (self.word)(mix(self.hash), self.start, at);
            (self.inside, self.in_number) = (false, false);
        }
    }

    fn single(&mut self, start: usize, end: usize, value: u64) {
        (self.word)(mix((START ^ value).wrapping_mul(PRIME)), start, end);
    }

    /// A byte that may separate words; returns how many bytes it takes.
    fn separator(&mut self, at: usize, byte: u8) -> usize {
        let bytes = self.text.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        if WORD && self.in_number {
            if byte == b'.' && digit(at + 1) {
                if self.config.numbers == Numbers::Keep {
                    self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(PRIME);
                }
                return 1;
            }
            if byte == b',' && (1..4).all(|next| digit(at + next)) && !digit(at + 4) {
                return 1;
            }
        }
        self.end(at);
        if WORD && byte == b'-' {
            let next = if bytes.get(at + 1) == Some(&b' ') { at + 2 } else { at + 1 };
            if digit(next) || bytes.get(next) == Some(&b'(') {
                self.single(at, at + 1, u64::from(byte));
            }
        }
        1
    }

    /// A character beyond ASCII; returns how many bytes it takes.
    #[inline(never)]
    fn character(&mut self, at: usize) -> usize {
        let Some(c) = self.text[at..].chars().next() else { return 1 };
        let width = c.len_utf8();
        if WORD && is_ideograph(c) {
            self.end(at);
            self.single(at, at + width, u64::from(u32::from(c)));
            return width;
        }
        let separates =
            if WORD { !c.is_alphanumeric() && !is_combining_mark(c) } else { c.is_whitespace() };
        if separates {
            self.end(at);
            if WORD && matches!(c, '×' | '÷' | '−' | '±' | '≤' | '≥' | '≠' | '√' | '∑' | '∫' | '∞')
            {
                self.single(at, at + width, u64::from(u32::from(c)));
            }
            return width;
        }
        self.begin(at);
        self.in_number = false;
        let accents = self.config.accents;
        let mut feed = |c: char| {
            for lower in c.to_lowercase() {
                let mut utf8 = [0; 4];
                for byte in lower.encode_utf8(&mut utf8).bytes() {
                    self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(PRIME);
                }
            }
        };
        if accents {
            feed(c);
        } else {
            decompose_canonical(c, |part| {
                if !is_combining_mark(part) {
                    feed(part);
                }
            });
        }
        width
    }
}

/// Characters of scripts that don't part words with spaces.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}
