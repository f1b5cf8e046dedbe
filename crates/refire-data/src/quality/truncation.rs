/// Why a text looks cut off; `None` if it doesn't.
pub(super) fn cut_off(text: &str) -> Option<String> {
    let text = text.trim_end();
    let last = text.chars().next_back()?;
    if matches!(
        last,
        '(' | '[' | '{' | '=' | '+' | '*' | '/' | '<' | '-' | '×' | '÷' | '\\' | '&' | '^' | '_'
    ) {
        return Some(format!("it ends in `{last}`"));
    }
    for (open, close) in [("```", ""), ("\\(", "\\)"), ("\\[", "\\]"), ("$$", "")] {
        let opened = text.matches(open).count();
        let even = if close.is_empty() { 2 * (opened / 2) } else { text.matches(close).count() };
        if opened > even {
            return Some(format!("`{open}` isn't closed"));
        }
    }
    let line = text.rsplit('\n').next().unwrap_or(text);
    let open = |open: char, close: char| {
        line.matches(open).count() > line.matches(close).count()
            && text.matches(open).count() > text.matches(close).count()
    };
    for (left, right) in [('(', ')'), ('{', '}')] {
        if open(left, right) {
            return Some(format!("`{left}` isn't closed"));
        }
    }
    let word = text.split_whitespace().next_back().unwrap_or_default();
    let dangling = ["the", "a", "an", "of", "and", "is", "so", "then", "by", "to", "we", "because"];
    dangling.contains(&word).then(|| format!("it ends in `{word}`"))
}
