use std::ops::Range;

/// Byte ranges of sentences: up to a line's end, or to `.`, `!` or `?` (and closing quotes or
/// brackets) before white space. The point of a title or of `e.g.` ends none. The white space behind
/// belongs to the sentence, so that the ranges cover the text.
pub(crate) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut start, mut ending, mut ended) = (0, false, false);
    for (at, c) in text.char_indices() {
        if ended && !c.is_whitespace() {
            found.push(start..at);
            (start, ending, ended) = (at, false, false);
        }
        match c {
            '\n' => ended = true,
            '.' | '!' | '?' | '。' | '！' | '？' => ending = true,
            '"' | '\'' | ')' | ']' | '”' | '’' => {}
            _ if c.is_whitespace() => ended |= ending && !is_abbreviation(&text[start..at]),
            _ => ending = false,
        }
        // Full-width marks need no space behind them.
        ended |= matches!(c, '。' | '！' | '？');
    }
    if start < text.len() {
        found.push(start..text.len());
    }
    found
}

/// Words in front of more of their sentence, in spite of their point.
const ABBREVIATIONS: [&str; 21] = [
    "mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "rev.", "gen.", "gov.", "sen.", "lt.", "sgt.",
    "capt.", "col.", "mt.", "vs.", "e.g.", "i.e.", "cf.", "fig.", "eq.",
];

/// True if a text ends in an abbreviation.
fn is_abbreviation(text: &str) -> bool {
    let word = text.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or(text);
    word.ends_with('.') && ABBREVIATIONS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_titles_end_no_sentence() {
        let split = |text: &'static str| -> Vec<&str> {
            sentences(text).into_iter().map(|range| &text[range]).collect()
        };
        assert_eq!(
            split("Mr. Smith (cf. Dr. Wu) left. He ran!"),
            ["Mr. Smith (cf. Dr. Wu) left. ", "He ran!"]
        );
        assert_eq!(split("It is 5.5 m. \"Is it?\" Yes"), ["It is 5.5 m. ", "\"Is it?\" ", "Yes"]);
        assert_eq!(split("\u{4f60}\u{597d}\u{3002}a"), ["\u{4f60}\u{597d}\u{3002}", "a"]);
    }
}
