//! What training learns from, shown before it begins.

use refire_core::{BoxError, Row, RowSource, Stateful};
use std::fmt::Write as _;
use std::io::Write;

/// What stands around learned tokens.
const MARKS: [&str; 2] = ["⟦", "⟧"];

/// Tokens to text.
type Decode = dyn Fn(&[u32]) -> Result<String, BoxError> + Send;

/// Tokens as text to look at, with what is learned in `⟦ ⟧`.
///
/// Line ends are shown as `⏎` and go on in a new line. `decode` should print special tokens too.
/// The first token has no context and is never learned, whatever the mask says.
///
/// ```
/// use refire_train::marked_text;
/// let letters = |ids: &[u32]| Ok(ids.iter().filter_map(|id| char::from_u32(*id)).collect());
/// let tokens: Vec<u32> = "2+2=4.".chars().map(u32::from).collect();
/// let text = marked_text(&tokens, &[false, false, false, false, true, true], &letters)?;
/// assert_eq!(text, "2+2=⟦4.⟧");
/// # Ok::<(), refire_core::BoxError>(())
/// ```
///
/// # Errors
/// Those of `decode`.
pub fn marked_text(
    tokens: &[u32],
    learned: &[bool],
    decode: &dyn Fn(&[u32]) -> Result<String, BoxError>,
) -> Result<String, BoxError> {
    let is_learned = |index: usize| index > 0 && learned.get(index).copied().unwrap_or(false);
    let mut text = String::new();
    let mut start = 0;
    while start < tokens.len() {
        let run = (start..tokens.len()).take_while(|i| is_learned(*i) == is_learned(start)).count();
        let part = decode(&tokens[start..start + run])?.replace('\n', "⏎\n");
        let [open, close] = if is_learned(start) { MARKS } else { ["", ""] };
        write!(text, "{open}{part}{close}")?;
        start += run;
    }
    Ok(text)
}

/// A source that prints its first rows, so that nobody wonders what is trained on.
///
/// ```
/// use refire_core::{BoxError, Row, RowSource, Stateful};
/// use refire_train::ShowRows;
///
/// struct Ones;
/// impl Stateful for Ones {
///     fn state(&self) -> Result<Vec<u8>, BoxError> { Ok(Vec::new()) }
///     fn restore(&mut self, _: &[u8]) -> Result<(), BoxError> { Ok(()) }
/// }
/// impl RowSource for Ones {
///     fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
///         let row = Row { tokens: vec![1, 1], loss_mask: vec![false, true], ..Row::default() };
///         Ok(vec![row; n])
///     }
/// }
///
/// let mut source = ShowRows::new(Ones, 1, |tokens| Ok(format!("{tokens:?}")));
/// assert_eq!(source.next(2)?.len(), 2); // prints: row 0, 1 of 2 tokens learned: [1]⟦[1]⟧
/// # Ok::<(), BoxError>(())
/// ```
pub struct ShowRows<S> {
    source: S,
    left: usize,
    decode: Box<Decode>,
    out: Box<dyn Write + Send>,
}

impl<S> std::fmt::Debug for ShowRows<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShowRows").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<S: RowSource> ShowRows<S> {
    /// Prints the first `rows` rows on the standard output, as `decode` reads them.
    pub fn new(
        source: S,
        rows: usize,
        decode: impl Fn(&[u32]) -> Result<String, BoxError> + Send + 'static,
    ) -> Self {
        Self { source, left: rows, decode: Box::new(decode), out: Box::new(std::io::stdout()) }
    }

    /// Prints somewhere else.
    pub fn with_output(mut self, out: impl Write + Send + 'static) -> Self {
        self.out = Box::new(out);
        self
    }

    fn show(&mut self, row: &Row) -> Result<(), BoxError> {
        let learned = row.loss_mask.iter().skip(1).filter(|learned| **learned).count();
        let text = marked_text(&row.tokens, &row.loss_mask, &*self.decode)?;
        let (id, tokens) = (row.id, row.tokens.len());
        writeln!(self.out, "row {id}, {learned} of {tokens} tokens learned: {text}")?;
        Ok(())
    }
}

impl<S: Stateful> Stateful for ShowRows<S> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.source.state()
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.source.restore(state)
    }
}

impl<S: RowSource> RowSource for ShowRows<S> {
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
        let rows = self.source.next(n)?;
        for row in rows.iter().take(self.left) {
            self.show(row)?;
        }
        self.left = self.left.saturating_sub(rows.len());
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn letters(ids: &[u32]) -> Result<String, BoxError> {
        Ok(ids.iter().filter_map(|id| char::from_u32(*id)).collect())
    }

    #[test]
    fn learned_runs_are_marked_and_the_first_token_never_is() {
        let marked = |text: &str, mask: &[u8]| {
            let tokens: Vec<u32> = text.chars().map(u32::from).collect();
            let mask: Vec<bool> = mask.iter().map(|m| *m == 1).collect();
            marked_text(&tokens, &mask, &letters).unwrap()
        };
        assert_eq!(marked("abcd", &[1, 1, 0, 1]), "a⟦b⟧c⟦d⟧");
        assert_eq!(marked("a\nb", &[0, 1, 1]), "a⟦⏎\nb⟧");
        assert_eq!(marked("ab", &[0]), "ab");
        assert_eq!(marked("", &[]), "");
    }

    struct Rows(u64);

    impl Stateful for Rows {
        fn state(&self) -> Result<Vec<u8>, BoxError> {
            Ok(self.0.to_le_bytes().to_vec())
        }
        fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
            self.0 = u64::from_le_bytes(state.try_into()?);
            Ok(())
        }
    }

    impl RowSource for Rows {
        fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
            let row = |id| Row {
                id,
                tokens: vec![97, 98],
                loss_mask: vec![false, true],
                ..Row::default()
            };
            self.0 += n as u64;
            Ok((self.0 - n as u64..self.0).map(row).collect())
        }
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_rows_are_shown_once_and_all_pass_through() {
        let out = Shared::default();
        let mut source = ShowRows::new(Rows(0), 3, letters).with_output(out.clone());
        let ids: Vec<u64> =
            (0..3).flat_map(|_| source.next(2).unwrap()).map(|row| row.id).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
        let shown = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let line = |id| format!("row {id}, 1 of 2 tokens learned: a⟦b⟧\n");
        assert_eq!(shown, (0..3).map(line).collect::<String>());
        source.restore(&9_u64.to_le_bytes()).unwrap();
        assert_eq!(source.next(1).unwrap()[0].id, 9);
    }
}
