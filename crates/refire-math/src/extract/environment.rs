//! Formulas between delimiters.

use std::ops::Range;

/// The last formula, together with those that `and`, `or` and commas join to it.
pub(super) fn last(text: &str, start: usize) -> Option<Range<usize>> {
    let mut list: Option<Range<usize>> = None;
    let mut scan = Scan::new(text, start);
    while let Some(found) = scan.next() {
        list = Some(match list {
            Some(range) if joined(&text[range.end..found.start]) => range.start..found.end,
            _ => found,
        });
    }
    list.map(|range| with_percent(text, range))
}

/// The formulas that begin right at `start`, if one does.
pub(super) fn leading(text: &str, start: usize) -> Option<Range<usize>> {
    if !text[start..].starts_with(['$', '\\']) {
        return None;
    }
    let mut scan = Scan::new(text, start);
    let mut list = scan.next().filter(|found| found.start == start)?;
    while let Some(found) = scan.next().filter(|f| joined(&text[list.end..f.start])) {
        list.end = found.end;
    }
    Some(with_percent(text, list))
}

/// Formulas from left to right. What was once found to have no end is not looked for again, so
/// that the scan is linear.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// No `$$` and no `\]` follows.
    no_double: bool,
    no_bracket: bool,
    /// No `\)` stands before this byte.
    no_parenthesis: usize,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, no_double: false, no_bracket: false, no_parenthesis: 0 }
    }

    /// The next formula with its delimiters. A dollar opens if something follows it, and closes if
    /// something stands before it and no digit after it; otherwise it is money. Formulas in a line
    /// stay in their line.
    fn next(&mut self) -> Option<Range<usize>> {
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() {
            let at = self.at;
            let close = match (bytes[at], bytes.get(at + 1)) {
                (b'\\', Some(b'(')) => self.parenthesis(at + 2).map(|close| close + 2),
                (b'\\', Some(b'[')) => self.bracket(at + 2).map(|close| close + 2),
                (b'$', Some(b'$')) => self.double(at + 2).map(|close| close + 2),
                (b'$', _) => closing_dollar(bytes, at).map(|close| close + 1),
                _ => None,
            };
            if let Some(end) = close {
                self.at = end;
                return Some(at..end);
            }
            let pair = bytes[at] == b'\\' || bytes[at] == b'$' && bytes.get(at + 1) == Some(&b'$');
            self.at += if pair { 2 } else { 1 };
        }
        None
    }

    fn parenthesis(&mut self, from: usize) -> Option<usize> {
        if from < self.no_parenthesis {
            return None;
        }
        let line = self.text[from..].find('\n').map_or(self.text.len(), |length| from + length);
        let found = self.text[from..line].find("\\)").map(|length| from + length);
        if found.is_none() {
            self.no_parenthesis = line;
        }
        found
    }

    fn bracket(&mut self, from: usize) -> Option<usize> {
        if self.no_bracket {
            return None;
        }
        let found = self.text[from..].find("\\]").map(|length| from + length);
        self.no_bracket = found.is_none();
        found
    }

    fn double(&mut self, from: usize) -> Option<usize> {
        if self.no_double {
            return None;
        }
        let found = self.text[from..].find("$$").map(|length| from + length);
        self.no_double = found.is_none();
        found.filter(|close| *close > from)
    }
}

fn closing_dollar(bytes: &[u8], open: usize) -> Option<usize> {
    let digit_before = open > 0 && bytes[open - 1].is_ascii_digit();
    if digit_before {
        return None;
    }
    let spaced = bytes.get(open + 1).is_none_or(u8::is_ascii_whitespace);
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != b'\n' {
        match bytes[at] {
            b'\\' => at += 1,
            b'$' => {
                let touches = !bytes[at - 1].is_ascii_whitespace();
                let digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
                // Spaces on both sides are a habit, on one side they are money unless there is TeX.
                let tex = bytes[open + 1..at].contains(&b'\\');
                return (at > open + 1 && (spaced != touches || tex) && !digit).then_some(at);
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn joined(gap: &str) -> bool {
    let gap = gap.trim();
    gap.len() < 8
        && matches!(gap.trim_start_matches(',').trim(), "" | "and" | "or")
        && !gap.contains('.')
        && (gap.is_empty() || gap.starts_with([',', 'a', 'o']))
        && !gap.is_empty()
}

/// A percent sign may stand behind the formula.
fn with_percent(text: &str, range: Range<usize>) -> Range<usize> {
    let rest = &text[range.end..];
    let spaces = rest.len() - rest.trim_start_matches(' ').len();
    let mark = ["\\%", "%", "percent"].iter().find(|mark| rest[spaces..].starts_with(**mark));
    mark.map_or(range.clone(), |mark| range.start..range.end + spaces + mark.len())
}
