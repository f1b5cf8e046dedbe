/// The contents of the last closed fence of three or more backticks; `None` without one.
///
/// A fence opens on a line of its own that starts with backticks and may name a language, and
/// closes on one of at least as many backticks and nothing else. What is left open was cut off.
pub(super) fn last_fence(text: &str) -> Option<&str> {
    let mut found = None;
    let mut open: Option<(usize, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        let words = line.trim();
        let ticks = words.bytes().take_while(|byte| *byte == b'`').count();
        match open {
            None if ticks >= 3 && !words[ticks..].contains('`') => open = Some((end, ticks)),
            Some((start, opened)) if ticks >= opened && words.len() == ticks => {
                found = text.get(start..at);
                open = None;
            }
            _ => {}
        }
        at = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::last_fence;

    #[test]
    fn takes_the_last_closed_fence() {
        assert_eq!(last_fence("a\n```python\nx = 1\n```\nb\n```\ny\n```"), Some("y\n"));
        assert_eq!(last_fence("```py\nx\n```"), Some("x\n"));
        assert_eq!(last_fence("````\n```\nx\n```\n````\n"), Some("```\nx\n```\n"));
        assert_eq!(last_fence("```\r\nx\r\n```\r\n"), Some("x\r\n"));
    }

    #[test]
    fn what_is_open_or_inline_is_none() {
        for text in ["", "x = 1", "```python\nx = 1", "`x`", "```x```", "``\nx\n``"] {
            assert_eq!(last_fence(text), None, "{text:?}");
        }
        assert_eq!(last_fence("```\na\n```\n```\nb"), Some("a\n"));
    }
}
