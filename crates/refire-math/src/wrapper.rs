//! Strips what merely surrounds an answer.

use crate::extract::closing_brace;

/// Deepest nesting of wrappers that is removed; each level costs one scan of the answer.
const MAX_DEPTH: usize = 8;

const DELIMITERS: [(&str, &str); 3] = [("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]")];

const COMMANDS: [&str; 7] =
    ["\\text", "\\textbf", "\\textnormal", "\\mathrm", "\\mathbf", "\\boxed", "\\fbox"];

/// The answer without math delimiters, text commands and boxes that enclose all of it.
///
/// `\text{A} or \text{B}` and `$5 or $6` are left alone: there nothing encloses the whole.
pub(crate) fn unwrap(text: &str) -> &str {
    let mut text = text.trim();
    for _ in 0..MAX_DEPTH {
        match inner(text) {
            Some(inside) => text = inside.trim(),
            None => break,
        }
    }
    text
}

fn inner(text: &str) -> Option<&str> {
    let delimited = DELIMITERS.iter().find_map(|(open, close)| {
        let inside = text.strip_prefix(open)?.strip_suffix(close)?;
        (!inside.contains(close)).then_some(inside)
    });
    delimited
        .or_else(|| dollars(text))
        .or_else(|| COMMANDS.iter().find_map(|command| argument(text, command)))
}

/// The inside of `$…$`, if neither dollar is money: `$5`, `$5\$` and `$5 or $6$` are not enclosed.
fn dollars(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('$')?.strip_suffix('$')?;
    let bare = |(at, _): (usize, _)| !inside[..at].ends_with('\\');
    let closed = !inside.ends_with('\\') && !inside.match_indices('$').any(bare);
    closed.then_some(inside)
}

fn argument<'a>(text: &'a str, command: &str) -> Option<&'a str> {
    let inside = text.strip_prefix(command)?.trim_start().strip_prefix('{')?;
    let close = closing_brace(inside)?;
    (close + 1 == inside.len()).then(|| &inside[..close])
}
