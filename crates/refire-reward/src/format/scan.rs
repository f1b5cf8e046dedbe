/// A tag of the grammar, found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Index of the tag in the grammar.
    pub(super) tag: usize,
    /// `</…>` instead of `<…>`.
    pub(super) closes: bool,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

/// Every `<name>` and `</name>` of the grammar's names, in one pass over the text.
pub(super) fn marks(text: &str, names: &[&str]) -> Vec<Mark> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(offset) = text[from..].find('<') {
        let start = from + offset;
        from = start + 1;
        if let Some(mark) = mark_at(text, start, names) {
            from = mark.end;
            found.push(mark);
        }
    }
    found
}

fn mark_at(text: &str, start: usize, names: &[&str]) -> Option<Mark> {
    let rest = text.get(start + 1..)?;
    let (closes, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
    let is_name = |name: &&str| rest.strip_prefix(*name).is_some_and(|rest| rest.starts_with('>'));
    let tag = names.iter().position(is_name)?;
    let length = usize::from(closes) + names[tag].len() + 2;
    Some(Mark { tag, closes, start, end: start + length })
}
