//! Strips what merely surrounds an answer.

use crate::extract::closing_brace;

/// Deepest nesting of wrappers that is removed; each level costs one scan of the answer.
const MAX_DEPTH: usize = 8;

const DELIMITERS: [(&str, &str); 3] = [("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]")];

const COMMANDS: [&str; 11] = [
    "\\textbf",
    "\\textnormal",
    "\\textit",
    "\\textrm",
    "\\text",
    "\\mathrm",
    "\\mathbf",
    "\\mbox",
    "\\boxed",
    "\\fbox",
    "\\emph",
];

/// The answer without math delimiters, text commands and boxes that enclose all of it, without
/// emphasis and without the full stop of its sentence.
///
/// `\text{A} or \text{B}` and `$5 or $6` are left alone: there nothing encloses the whole.
pub(crate) fn unwrap(text: &str) -> &str {
    let mut text = text.trim();
    for _ in 0..MAX_DEPTH {
        match inner(text).or_else(|| punctuation(text)) {
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
        .or_else(|| text.strip_prefix("**")?.strip_suffix("**").filter(|t| !t.contains("**")))
        .or_else(|| COMMANDS.iter().find_map(|command| argument(text, command)))
}

fn punctuation(text: &str) -> Option<&str> {
    text.strip_suffix(['.', '!']).filter(|rest| {
        // `5!` is a factorial, `...` goes on, `p.m.` is abbreviated.
        text.ends_with('.') && !rest.ends_with(['.', '\\']) && !rest.ends_with(".m")
    })
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

/// The contents of boxes side by side, as a list. What stands between them says nothing.
pub(crate) fn boxes(text: &str) -> Option<String> {
    const BOXES: [&str; 2] = ["\\boxed", "\\fbox"];
    let mut contents = Vec::new();
    let mut rest = text;
    if !BOXES.iter().any(|name| rest.starts_with(name)) {
        return None;
    }
    while let Some(at) = BOXES.iter().filter_map(|name| rest.find(name)).min() {
        let after =
            rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start();
        let inside = after.strip_prefix('{')?;
        let close = closing_brace(inside)?;
        contents.push(inside[..close].trim());
        rest = &inside[close + 1..];
    }
    contents.dedup();
    (contents.len() > 1).then(|| contents.join(", "))
}

/// The text without the names and braces of text commands, wherever they stand.
pub(crate) fn without_text_commands(text: &str) -> String {
    const SPACES: [&str; 9] = ["\\ ", "\\,", "\\;", "\\:", "\\!", "\\quad", "~", "$", "**"];
    let mut flat = String::with_capacity(text.len());
    let mut rest = text;
    // For each open brace, whether it belonged to a text command.
    let mut braces = Vec::new();
    while let Some(c) = rest.chars().next() {
        if matches!(c, '\\' | '~' | '$' | '*') {
            let command = COMMANDS.iter().find_map(|name| rest.strip_prefix(name));
            if let Some(inside) = command.and_then(|after| after.trim_start().strip_prefix('{')) {
                braces.push(true);
                rest = inside;
                continue;
            }
            if let Some(mark) = SPACES.iter().find(|mark| rest.starts_with(**mark)) {
                flat.push(' ');
                rest = &rest[mark.len()..];
                continue;
            }
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '{' => braces.push(false),
            '}' if braces.pop() == Some(true) => {
                flat.push(' ');
                continue;
            }
            _ => {}
        }
        flat.push(c);
    }
    flat
}

/// What two texts must share to be the same answer whatever they mean: everything but idle white
/// space, the sizes of brackets and fractions, and the typeface of text.
pub(crate) fn key(text: &str) -> String {
    let mut flat = without_text_commands(text);
    if flat.contains('\\') {
        let sizes = [("\\left(", "("), ("\\right)", ")"), ("\\left[", "["), ("\\right]", "]")];
        let fractions = [("\\dfrac", "\\frac"), ("\\tfrac", "\\frac")];
        for (from, to) in sizes.into_iter().chain(fractions) {
            if flat.contains(from) {
                flat = flat.replace(from, to);
            }
        }
    }
    let mut key = String::with_capacity(flat.len());
    for word in flat.split_whitespace() {
        let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        if joins(key.chars().next_back()) && joins(word.chars().next()) {
            key.push(' ');
        }
        key.push_str(word);
    }
    key
}
