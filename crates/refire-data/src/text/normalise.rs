use super::{Numbers, Split, Words};
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

impl Words {
    /// A text as it is compared: its words, with one space between them. Two texts have equal
    /// [`hashes`](Self::hashes) if this is equal.
    ///
    /// ```
    /// use refire_data::Words;
    /// let text = "Café: it costs $1,200.50!";
    /// assert_eq!(Words::default().normalise(text), "cafe it costs 1200.50");
    /// ```
    pub fn normalise(&self, text: &str) -> String {
        let mut normal = String::with_capacity(text.len());
        self.each(text, |_, start, end| {
            if !normal.is_empty() {
                normal.push(' ');
            }
            self.push_word(&text[start..end], &mut normal);
        });
        normal
    }

    /// One word, as the scanner hashes it.
    fn push_word(&self, word: &str, normal: &mut String) {
        let mut in_number = false;
        for c in word.chars() {
            if c.is_ascii_digit() {
                match self.numbers {
                    Numbers::Keep => normal.push(c),
                    Numbers::Mask if !in_number => normal.push('0'),
                    Numbers::Mask => {}
                }
                in_number = true;
            } else if c.is_ascii() {
                // Within a number a word holds its own marks only.
                match (self.split, c, self.numbers) {
                    (Split::Words, ',', _) | (Split::Words, '.', Numbers::Mask) => continue,
                    _ => normal.push(c.to_ascii_lowercase()),
                }
                in_number = c == '.' && self.split == Split::Words;
            } else {
                in_number = false;
                self.push_character(c, normal);
            }
        }
    }

    fn push_character(&self, c: char, normal: &mut String) {
        if self.accents {
            return normal.extend(c.to_lowercase());
        }
        decompose_canonical(c, |part| {
            if !is_combining_mark(part) {
                normal.extend(part.to_lowercase());
            }
        });
    }
}
