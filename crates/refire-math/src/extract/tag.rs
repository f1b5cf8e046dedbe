use super::marker::Marker;

const OPEN: &str = "<answer>";
const CLOSE: &str = "</answer>";

pub(super) fn next(text: &str, start: usize) -> Option<Marker> {
    let first = start + text[start..].find(OPEN)?;
    let Some(length) = text[first..].find(CLOSE) else {
        return Some(Marker { outer: first..text.len(), inner: None });
    };
    let close = first + length;
    let open = first + text[first..close].rfind(OPEN).unwrap_or(0);
    Some(Marker { outer: open..close + CLOSE.len(), inner: Some(open + OPEN.len()..close) })
}

/// Exactly four hashes, and the rest of the line.
pub(super) fn next_hash(text: &str, start: usize) -> Option<Marker> {
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
