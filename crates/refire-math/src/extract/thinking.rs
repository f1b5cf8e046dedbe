/// Where the text begins that is not thought, or where an unfinished thought begins.
pub(super) fn end(text: &str) -> Result<usize, usize> {
    const CLOSE: &str = "</think>";
    let start = text.rfind(CLOSE).map_or(0, |at| at + CLOSE.len());
    match text[start..].find("<think>") {
        Some(length) => Err(start + length),
        None => Ok(start),
    }
}
