//! The last number of a text.

use std::ops::Range;

use super::environment;

/// The last formula, or the last number if that stands later.
pub(super) fn math(text: &str, start: usize) -> Option<Range<usize>> {
    let formula = environment::last(text, start);
    let from = formula.as_ref().map_or(start, |formula| formula.end);
    number(text, from).or(formula)
}

/// The last number, with its sign, its currency, a fraction bar and a percent sign. Digits inside
/// of words don't count.
pub(super) fn number(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut end = bytes.len();
    loop {
        while end > start && !bytes[end - 1].is_ascii_digit() {
            end -= 1;
        }
        if end <= start {
            return None;
        }
        let mut begin = digits_before(bytes, start, end);
        let glued =
            begin > start && (bytes[begin - 1].is_ascii_alphabetic() || bytes[begin - 1] == b'_');
        if glued {
            end = begin;
            continue;
        }
        // `3/4`
        if begin > start + 1 && bytes[begin - 1] == b'/' && bytes[begin - 2].is_ascii_digit() {
            begin = digits_before(bytes, start, begin - 1);
        }
        let found = formula(text, start, end).or_else(|| arithmetic(text, start, begin, end));
        return Some(found.unwrap_or_else(|| dressed(text, start, begin, end)));
    }
}

/// Numbers with signs of arithmetic between them that end in the number at `begin`, or the groups
/// of digits of which it is the last: `2 + 3`, `1 000`.
fn arithmetic(text: &str, start: usize, begin: usize, end: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut from = begin;
    loop {
        let spaces = bytes[start..from].iter().rev().take_while(|b| **b == b' ').count();
        let at = from - spaces;
        if at <= start {
            break;
        }
        let (sign, gap) = match bytes[at - 1] {
            b'+' | b'*' | b'^' => (true, 1),
            // Between digits a hyphen is a range or a date.
            b'-' if spaces == 1 && at >= start + 2 && bytes[at - 2] == b' ' => (true, 1),
            b'0'..=b'9' if spaces == 1 => (false, 0),
            _ => break,
        };
        let operand = at - gap;
        let operand =
            operand - bytes[start..operand].iter().rev().take_while(|b| **b == b' ').count();
        let first = digits_before(bytes, start, operand);
        let alone =
            first == start || matches!(bytes[first - 1], b' ' | b'\n' | b'(' | b'+' | b'*' | b'^');
        let groups = from + 3 <= end
            && bytes[from..from + 3].iter().all(u8::is_ascii_digit)
            && !bytes.get(from + 3).is_some_and(u8::is_ascii_digit)
            && operand - first <= 3;
        if first == operand || !alone || !(sign || groups) {
            break;
        }
        from = first;
    }
    (from < begin).then_some(from..end)
}

/// The TeX without delimiters that the number before `end` is part of.
fn formula(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let line = text[start..end].rfind('\n').map_or(start, |at| start + at + 1);
    let rest = &text[end..];
    let tail = rest.find(char::is_whitespace).map_or(rest, |length| &rest[..length]);
    let tail = tail.trim_end_matches(['.', ',', ';', ':', '*', '$']);
    let close = end + tail.len();
    let word = |until: usize| text[line..until].rfind(' ').map_or(line, |at| line + at + 1);
    let mut begin = word(end);
    let is_formula = |part: &str| part.contains(['\\', '^', '=']) || part.contains(['(', ')']);
    if !is_formula(&text[begin..close]) {
        return None;
    }
    while begin > line {
        let before = word(begin - 1);
        if prose(&text[before..begin]) {
            break;
        }
        begin = before;
    }
    Some(begin..close)
}

/// Whether a word is one of a sentence: letters side by side that no command has.
fn prose(word: &str) -> bool {
    let word = word.trim();
    let mut run = 0;
    let mut command = false;
    for byte in word.bytes() {
        if byte == b'\\' {
            command = true;
        } else if !byte.is_ascii_alphabetic() {
            (command, run) = (false, 0);
        } else if !command {
            run += 1;
            if run > 1 {
                return true;
            }
        }
    }
    word.ends_with(['.', ':', ',', ';']) || matches!(word, "a" | "A" | "I" | "")
}

/// The start of the number whose last digit stands before `end`: digits, points, and commas
/// between groups.
fn digits_before(bytes: &[u8], start: usize, end: usize) -> usize {
    let mut begin = end;
    while begin > start {
        let byte = bytes[begin - 1];
        let inner = matches!(byte, b',' | b'.')
            && begin < end
            && bytes[begin].is_ascii_digit()
            && (begin >= 2 && begin - 1 > start && bytes[begin - 2].is_ascii_digit()
                || byte == b'.');
        if !byte.is_ascii_digit() && !inner {
            break;
        }
        begin -= 1;
    }
    begin
}

fn dressed(text: &str, start: usize, mut begin: usize, mut end: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let before = &text[start..begin];
    for sign in ["\\$", "$", "€", "£", "¥", "₹"] {
        if before.ends_with(sign) {
            begin -= sign.len();
            break;
        }
    }
    let minus = begin > start && bytes[begin - 1] == b'-';
    let after_operand = begin > start + 1
        && (bytes[begin - 2].is_ascii_alphanumeric() || matches!(bytes[begin - 2], b')' | b']'));
    if minus && !after_operand {
        begin -= 1;
    }
    let rest = &text[end..];
    let spaces = rest.len() - rest.trim_start_matches(' ').len();
    for mark in ["\\%", "%", "percent"] {
        if rest[spaces..].starts_with(mark) {
            end += spaces + mark.len();
            break;
        }
    }
    begin..end
}
