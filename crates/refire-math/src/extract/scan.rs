//! Forward scans for markers. Each `next_*` starts where the last one ended, so that every scan
//! is linear in the text whatever is in it.

use std::ops::Range;

use super::Tier;

const BOXES: [&str; 2] = ["\\boxed", "\\fbox"];

/// One marker with its content; `inner` is `None` if it doesn't end.
#[derive(Debug, Clone)]
pub(super) struct Marker {
    pub(super) outer: Range<usize>,
    pub(super) inner: Option<Range<usize>>,
}

/// The last marker of `tier` from `start` on, or the list of answers that it ends.
pub(super) fn last(text: &str, start: usize, tier: Tier) -> Option<Marker> {
    let next = match tier {
        Tier::Boxed => next_box,
        Tier::AnswerTag => next_tag,
        Tier::Hash => next_hash,
    };
    let mut list = List::new(next(text, start)?);
    while let Some(marker) = next(text, list.last.outer.end) {
        list.push(text, marker);
    }
    Some(list.finish())
}

/// Markers that stand side by side.
struct List {
    start: usize,
    differ: bool,
    last: Marker,
}

impl List {
    fn new(marker: Marker) -> Self {
        Self { start: marker.outer.start, differ: false, last: marker }
    }

    fn push(&mut self, text: &str, marker: Marker) {
        if joins(&text[self.last.outer.end..marker.outer.start]) {
            self.differ |= content(text, &self.last) != content(text, &marker);
            self.last = marker;
        } else {
            *self = Self::new(marker);
        }
    }

    fn finish(self) -> Marker {
        let Marker { outer, inner } = self.last;
        let list = self.start..outer.end;
        if self.differ && inner.is_some() {
            Marker { outer: list.clone(), inner: Some(list) }
        } else {
            Marker { outer, inner }
        }
    }
}

fn content<'a>(text: &'a str, marker: &Marker) -> Option<&'a str> {
    marker.inner.clone().map(|inner| text[inner].trim())
}

fn joins(gap: &str) -> bool {
    let words = || gap.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    gap.len() < 10
        || gap.len() < 70
            && (words().next().is_none()
                || words().any(|word| ["and", "or"].iter().any(|w| word.eq_ignore_ascii_case(w))))
}

fn next_box(text: &str, start: usize) -> Option<Marker> {
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
            let end = text.len() - after.len();
            return Some(Marker { outer: at..end, inner: None });
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

fn next_tag(text: &str, start: usize) -> Option<Marker> {
    const OPEN: &str = "<answer>";
    const CLOSE: &str = "</answer>";
    let first = start + text[start..].find(OPEN)?;
    let Some(length) = text[first..].find(CLOSE) else {
        return Some(Marker { outer: first..text.len(), inner: None });
    };
    let close = first + length;
    let open = first + text[first..close].rfind(OPEN).unwrap_or(0);
    Some(Marker { outer: open..close + CLOSE.len(), inner: Some(open + OPEN.len()..close) })
}

fn next_hash(text: &str, start: usize) -> Option<Marker> {
    let mut from = start;
    loop {
        let at = from + text[from..].find("####")?;
        let run = text[at..].bytes().take_while(|b| *b == b'#').count();
        if run == 4 {
            let line = at + run;
            let end = text[line..].find('\n').map_or(text.len(), |length| line + length);
            return Some(Marker { outer: at..end, inner: Some(line..end) });
        }
        from = at + run;
    }
}

/// Where the text begins that is not thought, or where an unfinished thought begins.
pub(super) fn after_thinking(text: &str) -> Result<usize, usize> {
    const CLOSE: &str = "</think>";
    let start = text.rfind(CLOSE).map_or(0, |at| at + CLOSE.len());
    match text[start..].find("<think>") {
        Some(length) => Err(start + length),
        None => Ok(start),
    }
}
