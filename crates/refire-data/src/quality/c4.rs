use super::Rejection;
use crate::text::sentences;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// C4's rules (Raffel et al., arXiv 1910.10683), as datatrove has them: lines go, or the whole text.
/// What turns a whole text down is looked for in the lines that stay.
///
/// ```
/// use refire_data::C4;
/// let rules = C4 { min_sentences: 1, ..C4::default() };
/// assert_eq!(rules.clean("Home\nIt rained for two days.").unwrap(), "It rained for two days.");
/// assert_eq!(C4::default().clean("Home").unwrap_err().rule, "sentences");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct C4 {
    /// Drop lines that don't end in `.`, `?`, `!` or a quotation mark.
    pub terminal_marks: bool,
    /// Least words of a line.
    pub min_line_words: usize,
    /// Most characters of a word.
    pub max_word_chars: usize,
    /// Least sentences that are left.
    pub min_sentences: usize,
    /// Turn down texts with `{`: what kills LaTeX and code.
    pub no_braces: bool,
}

impl Default for C4 {
    fn default() -> Self {
        Self {
            terminal_marks: true,
            min_line_words: 3,
            max_word_chars: 1000,
            min_sentences: 5,
            no_braces: true,
        }
    }
}

const POLICY: [&str; 6] = [
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
];

impl C4 {
    /// The text without its bad lines.
    ///
    /// # Errors
    /// The rule that turns the whole text down.
    pub fn clean(&self, text: &str) -> Result<String, Rejection> {
        let mut kept = Vec::new();
        for line in text.lines().map(|line| without_citations(line.trim())) {
            if !self.ends_well(&line) {
                continue;
            }
            let lower = line.to_lowercase();
            if lower.contains("lorem ipsum") {
                return Err(Rejection::new("lorem ipsum", "it stands in the text"));
            }
            if lower.contains("javascript") {
                continue;
            }
            if self.no_braces && line.contains('{') {
                return Err(Rejection::new("brace", "`{` stands in the text"));
            }
            if !POLICY.iter().any(|phrase| lower.contains(phrase)) {
                kept.push(line);
            }
        }
        let kept = kept.join("\n");
        let found = sentences(&kept).len();
        if found < self.min_sentences {
            let detail = format!("{found} are left, at least {} are wanted", self.min_sentences);
            return Err(Rejection::new("sentences", detail));
        }
        Ok(kept)
    }

    fn ends_well(&self, line: &str) -> bool {
        let ends = line.ends_with(['.', '?', '!', '"', '\'', '”']) && !line.ends_with("...");
        (ends || !self.terminal_marks)
            && line.split_whitespace().count() >= self.min_line_words
            && line.split_whitespace().all(|word| word.chars().count() <= self.max_word_chars)
    }
}

/// A line without the marks of an encyclopedia: `[12]`, `[edit]`, `[citation needed]`.
fn without_citations(line: &str) -> Cow<'_, str> {
    if !line.contains('[') {
        return Cow::Borrowed(line);
    }
    let (mut bare, mut rest) = (String::with_capacity(line.len()), line);
    while let Some(at) = rest.find('[') {
        bare.push_str(&rest[..at]);
        let inner = rest[at + 1..].split_once(']');
        match inner.filter(|(mark, _)| is_citation(mark)) {
            Some((_, behind)) => rest = behind,
            None => {
                bare.push('[');
                rest = &rest[at + 1..];
            }
        }
    }
    bare.push_str(rest);
    Cow::Owned(bare)
}

fn is_citation(mark: &str) -> bool {
    mark.bytes().all(|byte| byte.is_ascii_digit()) || ["edit", "citation needed"].contains(&mark)
}
