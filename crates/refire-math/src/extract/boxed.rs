use std::ops::Range;

use super::marker::Marker;

const BOXES: [&str; 2] = ["\\boxed", "\\fbox"];

pub(super) fn next(text: &str, start: usize) -> Option<Marker> {
    let mut from = start;
    loop {
        let at = from + text[from..].find('\\')?;
        let command = BOXES.iter().find_map(|name| text[at..].strip_prefix(name));
        let after = command.filter(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        let Some(after) = after else {
            from = at + 1;
            continue;
        };
        let Some(inside) = after.trim_start().strip_prefix('{') else {
            return Some(bare(text, at, text.len() - after.len()));
        };
        let open = text.len() - inside.len();
        return Some(match closing_brace(inside) {
            Some(length) => {
                let close = open + length;
                Marker { outer: at..close + 1, inner: Some(open..close) }
            }
            None => Marker { outer: at..text.len(), inner: None },
        });
    }
}

/// `\boxed 5`: what stands there up to white space, a dollar or a brace.
fn bare(text: &str, at: usize, end: usize) -> Marker {
    let rest = &text[end..];
    let start = end + (rest.len() - rest.trim_start_matches(' ').len());
    let length = text[start..]
        .find(|c: char| c.is_whitespace() || matches!(c, '$' | '{' | '}' | '\\' | ',' | ';'))
        .unwrap_or(text.len() - start);
    let word = text[start..start + length].trim_end_matches('.');
    if word.is_empty() || start == end {
        return Marker { outer: at..end, inner: None };
    }
    let close = start + word.len();
    Marker { outer: at..close, inner: Some(start..close) }
}

/// The content of a box that never closes, up to the end of its line.
pub(super) fn unclosed(text: &str, outer: &Range<usize>) -> Option<Range<usize>> {
    let open = outer.start + text[outer.clone()].find('{')? + 1;
    let line = text[open..].find('\n').map_or(text.len(), |length| open + length);
    let inside = text[open..line].trim_end_matches(['$', '.', ' ']);
    Some(open..open + inside.len())
}

/// Where the brace closes that was opened just before `inside`.
pub(crate) fn closing_brace(inside: &str) -> Option<usize> {
    let mut depth = 1_usize;
    let mut bytes = inside.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}
