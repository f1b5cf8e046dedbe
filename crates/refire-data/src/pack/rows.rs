use super::{Strategy, pack};
use crate::DataError;
use refire_core::Row;
use serde::{Deserialize, Serialize};

/// Several training rows in one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PackedRow {
    /// Token ids, end to end.
    pub tokens: Vec<u32>,
    /// Which tokens are learned. The first token of each piece never is: under a mask that keeps
    /// pieces apart it has no context.
    pub loss_mask: Vec<bool>,
    /// Weight of each token's loss; `None` means 1.
    pub weights: Option<Vec<f32>>,
    /// Lengths of the pieces: restart positions, and keep attention within them.
    pub seq_lengths: Vec<usize>,
    /// Identity of the row each piece is from.
    pub ids: Vec<u64>,
}

impl From<PackedRow> for Row {
    /// As one row that keeps its pieces apart; its id is that of the first piece.
    fn from(packed: PackedRow) -> Self {
        Self {
            id: packed.ids.first().copied().unwrap_or_default(),
            tokens: packed.tokens,
            loss_mask: packed.loss_mask,
            weights: packed.weights,
            documents: packed.seq_lengths,
        }
    }
}

/// Packs training rows, masks and weights included.
///
/// ```
/// use refire_core::Row;
/// use refire_data::{Strategy, pack_rows};
/// let row = |id, n| Row { id, tokens: vec![7; n], loss_mask: vec![true; n], ..Row::default() };
/// let packed = pack_rows(&[row(1, 3), row(2, 2)], 5, Strategy::Bfd)?;
/// assert_eq!(packed[0].loss_mask, [false, true, true, false, true]);
/// assert_eq!(Row::from(packed[0].clone()).into_documents()?.len(), 2);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
///
/// # Errors
/// As [`pack`], and when a row's columns differ in length.
pub fn pack_rows(
    rows: &[Row],
    seq_length: usize,
    strategy: Strategy,
) -> Result<Vec<PackedRow>, DataError> {
    for row in rows {
        row.validate()
            .map_err(|error| DataError::Caller { what: "a row's check", source: error.into() })?;
    }
    let lengths: Vec<usize> = rows.iter().map(|row| row.tokens.len()).collect();
    let plan = pack(&lengths, seq_length, strategy)?;
    let weighted = rows.iter().any(|row| row.weights.is_some());
    let packed = plan.rows.iter().map(|pieces| {
        let mut packed = PackedRow::default();
        for piece in pieces {
            let (row, range) = (&rows[piece.sequence], piece.start..piece.end);
            let first = packed.tokens.len();
            packed.tokens.extend_from_slice(&row.tokens[range.clone()]);
            packed.loss_mask.extend_from_slice(&row.loss_mask[range.clone()]);
            packed.loss_mask[first] = false;
            if weighted {
                let to = packed.weights.get_or_insert_default();
                match &row.weights {
                    Some(weights) => to.extend_from_slice(&weights[range]),
                    None => to.resize(packed.tokens.len(), 1.0),
                }
            }
            packed.seq_lengths.push(piece.len());
            packed.ids.push(row.id);
        }
        packed
    });
    Ok(packed.collect())
}
