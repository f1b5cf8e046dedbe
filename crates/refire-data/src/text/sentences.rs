use std::ops::Range;

/// Byte ranges of sentences: up to a line's end, or to `.`, `!` or `?` (and closing quotes or
/// brackets) before white space. The white space behind belongs to the sentence, so that the
/// ranges cover the text.
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
            _ if c.is_whitespace() => ended |= ending,
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
