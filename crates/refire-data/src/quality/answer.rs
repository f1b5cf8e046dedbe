//! Final answers as they stand in text.

/// What announces an answer.
const MARKERS: [&str; 9] = [
    "####",
    "\\boxed{",
    "answer is",
    "answer:",
    "answer =",
    "answer -",
    "solution is",
    "result is",
    "the correct choice is",
];

/// A marker in a prompt that is followed by the answer: the answer has leaked.
pub(super) fn leaked(prompt: &str, answer: &str) -> Option<&'static str> {
    let (prompt, answer) = (normal(prompt), normal(answer));
    if answer.is_empty() {
        return None;
    }
    MARKERS.into_iter().find(|marker| {
        prompt.match_indices(*marker).any(|(at, _)| {
            let rest = &prompt[at + marker.len()..];
            let rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '-');
            starts_with_answer(rest, &answer)
        })
    })
}

/// True if the answer stands in the last lines of a response: its last line, or its last 200
/// characters if that line is shorter.
pub(super) fn stands_at_end(response: &str, answer: &str) -> bool {
    let (response, answer) = (normal(response.trim_end()), normal(answer));
    let line = response.rfind('\n').map_or(0, |at| at + 1);
    let tail = response.char_indices().rev().nth(199).map_or(0, |(at, _)| at);
    let end = &response[line.min(tail)..];
    end.match_indices(answer.as_str()).any(|(at, _)| {
        let before = end[..at].chars().next_back();
        let inside = before.is_some_and(|c| c.is_ascii_digit() || c == '.');
        !(inside && answer.starts_with(|c: char| c.is_ascii_digit()))
            && starts_with_answer(&end[at..], &answer)
    })
}

/// True if a text begins with the answer and no longer number or word.
fn starts_with_answer(text: &str, answer: &str) -> bool {
    let Some(mut rest) = text.strip_prefix(answer) else { return false };
    // `5.50` says 5.5.
    if answer.contains('.') && answer.ends_with(|c: char| c.is_ascii_digit()) {
        rest = rest.trim_start_matches('0');
    }
    let mut next = rest.chars();
    match next.next() {
        None => true,
        // `.0` and `.00` leave a number as it is.
        Some('.') => {
            let digits = rest[1..].trim_start_matches('0');
            !digits.starts_with(|c: char| c.is_ascii_digit())
        }
        // A unit may follow a number at once: `25ml`.
        Some(c) if answer.ends_with(|c: char| c.is_ascii_digit()) => !c.is_ascii_digit(),
        Some(c) => !c.is_alphanumeric(),
    }
}

/// Lower case, no thousands separators, no spaces at the ends.
fn normal(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let bytes = lower.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let separator =
        |at: usize| bytes[at] == b',' && at > 0 && digit(at - 1) && (1..4).all(|i| digit(at + i));
    let kept = lower.char_indices().filter(|(at, _)| !separator(*at)).map(|(_, c)| c);
    kept.collect()
}
