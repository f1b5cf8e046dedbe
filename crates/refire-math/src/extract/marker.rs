use std::ops::Range;

/// One marker with its content; `inner` is `None` if it doesn't end.
#[derive(Debug, Clone)]
pub(super) struct Marker {
    pub(super) outer: Range<usize>,
    pub(super) inner: Option<Range<usize>>,
}

impl Marker {
    pub(super) fn whole(range: Range<usize>) -> Self {
        Self { outer: range.clone(), inner: Some(range) }
    }
}

/// The last marker from `start` on, or the list of answers that it ends. `next` starts where the
/// last one ended, so that the scan is linear whatever is in the text.
pub(super) fn last(
    text: &str,
    start: usize,
    next: fn(&str, usize) -> Option<Marker>,
) -> Option<Marker> {
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
