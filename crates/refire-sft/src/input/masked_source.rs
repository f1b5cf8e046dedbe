use super::MaskedThoughtConfig;
use crate::SftError;
use refire_core::{BoxError, Row, RowSource, Stateful, decode_state, encode_state};

/// A source whose rows are read with masked thought: each time a row is served its
/// [`inputs`](Row::inputs) are drawn anew.
///
/// Candidates are the learned tokens but the last, which usually ends the completion. A row that
/// packs documents keeps its own masks, so that candidates are right for each.
///
/// ```
/// use refire_core::{BoxError, Row, RowSource, Stateful};
/// use refire_sft::input::{MaskedRows, MaskedThoughtConfig, Replacement};
///
/// struct Same;
/// impl Stateful for Same {}
/// impl RowSource for Same {
///     fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
///         let loss_mask = vec![false, true, true, true];
///         Ok(vec![Row { tokens: vec![5, 6, 7, 2], loss_mask, ..Row::default() }; n])
///     }
/// }
/// let config = MaskedThoughtConfig { rate: 1.0, replacement: Replacement::Token { id: 9 } };
/// let mut rows = MaskedRows::new(Same, config, 0)?;
/// assert_eq!(rows.next(1)?[0].inputs.as_deref(), Some(&[5, 9, 9, 2][..]));
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MaskedRows<S> {
    rows: S,
    config: MaskedThoughtConfig,
    seed: u64,
    served: u64,
}

impl<S: RowSource> MaskedRows<S> {
    /// Edits the rows of a source.
    ///
    /// # Errors
    /// When [`MaskedThoughtConfig::validate`] finds a problem.
    pub fn new(rows: S, config: MaskedThoughtConfig, seed: u64) -> Result<Self, SftError> {
        SftError::collect(config.validate())?;
        Ok(Self { rows, config, seed, served: 0 })
    }

    fn edit(&mut self, row: Row) -> Result<Row, BoxError> {
        row.validate()?;
        let mut candidates = row.loss_mask.clone();
        let ends = if row.documents.is_empty() { &[row.tokens.len()] } else { &row.documents[..] };
        let mut start = 0;
        for length in ends {
            let document = &mut candidates[start..start + length];
            if let Some(last) = document.iter_mut().rev().find(|candidate| **candidate) {
                *last = false;
            }
            start += length;
        }
        let inputs = self.config.edit(&row.tokens, &candidates, self.seed, self.served, row.id)?;
        self.served += 1;
        Ok(Row { inputs: Some(inputs), ..row })
    }
}

impl<S: Stateful> Stateful for MaskedRows<S> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&(self.served, self.rows.state()?))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (served, rows): (u64, Vec<u8>) = decode_state("MaskedRows", state)?;
        self.rows.restore(&rows)?;
        self.served = served;
        Ok(())
    }
}

impl<S: RowSource> RowSource for MaskedRows<S> {
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
        self.rows.next(n)?.into_iter().map(|row| self.edit(row)).collect()
    }
}
