//! "The answer is ...": what follows the words that announce an answer.

use std::ops::Range;

use super::environment;
use super::marker::Marker;

/// Longest way from the word "answer" to the verb behind it, in bytes.
const REACH: usize = 100;

/// The last announced answer; with `only_final`, announced as final.
pub(super) fn last(text: &str, start: usize, only_final: bool) -> Option<Marker> {
    let bytes = text.as_bytes();
    let mut at = bytes.len().saturating_sub(6);
    while at >= start {
        let word = bytes.get(at..at + 6).is_some_and(|w| w.eq_ignore_ascii_case(b"answer"));
        if word
            && (!only_final || is_final(bytes, at))
            && let Some(range) = announced(text, at + 6)
        {
            return Some(Marker { outer: at..range.end, inner: Some(range) });
        }
        if at == 0 {
            break;
        }
        at -= 1;
    }
    None
}

/// The answer that "I hope" follows, the way few-shot prompts of MATH end; a box after it is a
/// later answer.
pub(super) fn hope(text: &str, start: usize) -> Option<Marker> {
    let marker = last(text, start, true)?;
    let rest = text[marker.outer.end..].trim_start_matches(['.', '$', ' ']);
    (rest.starts_with("I hope") && !rest.contains("\\boxed")).then_some(marker)
}

fn is_final(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[..at];
    let word = before.len() - before.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
    word >= 5 && word < at && before[word - 5..word].eq_ignore_ascii_case(b"final")
}

/// The answer behind "answer", if a verb or a colon follows within the sentence.
fn announced(text: &str, after: usize) -> Option<Range<usize>> {
    let rest = &text[after..];
    let mut verb = None;
    for at in 0..rest.len().min(REACH) {
        // Every mark begins with one of these.
        if !matches!(rest.as_bytes()[at], b':' | b'=' | b' ' | b'\n' | b'.') {
            continue;
        }
        let here = &rest[at..];
        let mark = [":", "=", " is ", " is:", " are ", " are:", " is\n", " equals "]
            .iter()
            .find(|mark| here.starts_with(**mark));
        if let Some(mark) = mark {
            verb = Some(at + mark.len());
            break;
        }
        if here.starts_with('\n') || here.starts_with(". ") {
            break;
        }
    }
    let mut begin = after + verb?;
    begin = skip(text, begin);
    let end = sentence_end(text, begin);
    if begin >= end {
        return None;
    }
    // "Answer: the number of ways is 5".
    let mut inner = begin;
    while let Some(next) = restated(text, inner, end) {
        inner = next;
    }
    if let Some(formula) = environment::leading(text, inner) {
        return Some(formula);
    }
    let end = before_remark(text, inner, end);
    (inner < end).then_some(inner..end)
}

/// Where a remark begins that follows a number or a formula: `4, since 2 + 2 is 4`.
fn before_remark(text: &str, begin: usize, end: usize) -> usize {
    let answer = &text[begin..end];
    if answer.starts_with(|c: char| c.is_alphabetic()) {
        return end;
    }
    for (at, _) in answer.match_indices(", ") {
        let rest = &answer[at + 2..];
        let word = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        if word > 1 && !matches!(&rest[..word], "and" | "or") {
            return begin + at;
        }
    }
    end
}

/// Past white space, colons and marks of emphasis.
fn skip(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    from + (rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', ':', '*', '_', '`']).len())
}

fn sentence_end(text: &str, begin: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = begin;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => break,
            b'.' | b'!' | b'?' => {
                let ends = bytes.get(at + 1).is_none_or(|b| b.is_ascii_whitespace() || *b == b'*');
                let initial = bytes[at] == b'.' && at >= 2 && bytes[at - 2] == b'.';
                let half =
                    bytes[at] == b'.' && at >= 3 && bytes[at - 1] == b'm' && bytes[at - 2] == b'.';
                if ends && !initial && !half {
                    break;
                }
            }
            b'<' if text[at..].starts_with("<|") => break,
            _ => {}
        }
        at += 1;
    }
    let inside = text[begin..at].trim_end_matches([' ', '*', '_', '`', '\r']);
    begin + inside.len()
}

/// Where the predicate begins, if what is announced is a sentence of its own.
fn restated(text: &str, begin: usize, end: usize) -> Option<usize> {
    let sentence = &text[begin..end];
    if !sentence.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let verb = [" is ", " are ", " equals "];
    let (at, length) =
        verb.iter().filter_map(|v| sentence.find(v).map(|at| (at, v.len()))).min()?;
    let next = skip(text, begin + at + length);
    (next < end).then_some(next)
}
