use super::best_fit;
use crate::DataError;
use serde::{Deserialize, Serialize};

/// How sequences are put into rows of a fixed length; TRL's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Best-fit decreasing. A sequence longer than the row loses its end.
    #[default]
    Bfd,
    /// Best-fit decreasing. A sequence longer than the row is cut into pieces, and loses nothing.
    BfdSplit,
    /// Everything end to end, cut wherever a row is full.
    Wrapped,
}

/// A part of a sequence: its tokens `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Index of the sequence.
    pub sequence: usize,
    /// First token.
    pub start: usize,
    /// One past the last token.
    pub end: usize,
}

impl Piece {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True without a token.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Which pieces of which sequences stand in which row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Rows of pieces, in order.
    pub rows: Vec<Vec<Piece>>,
    /// Tokens that fit into a row.
    pub seq_length: usize,
    lengths: Vec<usize>,
}

/// Plans how sequences of the given lengths fill rows of `seq_length` tokens.
///
/// The best fit (Ding et al., arXiv 2404.10830) takes sequences by falling length, equal ones in
/// their order, and puts each into the row with the least room that is enough; of rows with equal
/// room into the one that has had it longest. `O(n log seq_length)`, and equal to TRL's
/// `pack_dataset` row for row. Sequences without tokens are left out.
///
/// ```
/// use refire_data::{Strategy, pack};
/// let plan = pack(&[5, 2, 3, 1], 4, Strategy::Bfd)?;
/// assert_eq!(plan.seq_lengths(), [vec![4], vec![3, 1], vec![2]]);
/// assert_eq!(plan.lost_tokens(), 1);
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// For rows of length 0; for the best fit also when no sequence has a token.
pub fn pack(lengths: &[usize], seq_length: usize, strategy: Strategy) -> Result<Plan, DataError> {
    if seq_length == 0 {
        return Err(DataError::out_of_range("seq_length", seq_length, "at least 1"));
    }
    let rows = match strategy {
        Strategy::Wrapped => wrapped(lengths, seq_length),
        Strategy::Bfd | Strategy::BfdSplit => {
            let split = strategy == Strategy::BfdSplit;
            let pieces = pieces(lengths, seq_length, split);
            if pieces.is_empty() {
                return Err(DataError::Empty { what: "tokens to pack" });
            }
            best_fit::rows(&pieces, seq_length)
        }
    };
    Ok(Plan { rows, seq_length, lengths: lengths.to_vec() })
}

fn pieces(lengths: &[usize], seq_length: usize, split: bool) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(lengths.len());
    for (sequence, &length) in lengths.iter().enumerate() {
        let mut start = 0;
        while start < length {
            let end = length.min(start + seq_length);
            pieces.push(Piece { sequence, start, end });
            start = if split { end } else { length };
        }
    }
    pieces
}

fn wrapped(lengths: &[usize], seq_length: usize) -> Vec<Vec<Piece>> {
    let (mut rows, mut row, mut room) = (Vec::new(), Vec::new(), seq_length);
    for (sequence, &length) in lengths.iter().enumerate() {
        let mut start = 0;
        while start < length {
            let end = length.min(start + room);
            row.push(Piece { sequence, start, end });
            room -= end - start;
            start = end;
            if room == 0 {
                rows.push(std::mem::take(&mut row));
                room = seq_length;
            }
        }
    }
    if !row.is_empty() {
        rows.push(row);
    }
    rows
}

impl Plan {
    /// Lays out a column: token ids, loss masks, weights, whatever has one value a token.
    ///
    /// # Errors
    /// When the column's sequences aren't as many and as long as those planned for.
    pub fn gather<T: Clone>(&self, column: &[Vec<T>]) -> Result<Vec<Vec<T>>, DataError> {
        let (found, expected) = (column.len(), self.lengths.len());
        if found != expected {
            return Err(DataError::Count { what: "sequences of a column", found, expected });
        }
        for (sequence, &expected) in column.iter().zip(&self.lengths) {
            let found = sequence.len();
            if found != expected {
                return Err(DataError::Count { what: "values of a sequence", found, expected });
            }
        }
        let lay = |row: &Vec<Piece>| {
            let parts = row.iter().map(|p| &column[p.sequence][p.start..p.end]);
            parts.flatten().cloned().collect()
        };
        Ok(self.rows.iter().map(lay).collect())
    }

    /// Lengths of the pieces, row by row.
    pub fn seq_lengths(&self) -> Vec<Vec<usize>> {
        self.rows.iter().map(|row| row.iter().map(Piece::len).collect()).collect()
    }

    /// Position of each token within its piece, row by row: from 0 at every piece, so that a
    /// model told these positions sees no other sequence.
    pub fn position_ids(&self) -> Vec<Vec<usize>> {
        self.rows.iter().map(|row| row.iter().flat_map(|piece| 0..piece.len()).collect()).collect()
    }

    /// Tokens that stand in no row.
    pub fn lost_tokens(&self) -> usize {
        self.lengths.iter().sum::<usize>() - self.kept_tokens()
    }

    /// Tokens in all rows.
    pub fn kept_tokens(&self) -> usize {
        self.rows.iter().flatten().map(Piece::len).sum()
    }

    /// Share of the rows' room that holds tokens, in `[0, 1]`; the rest would be padding.
    pub fn fill(&self) -> f64 {
        let room = self.rows.len() * self.seq_length;
        if room == 0 { 0.0 } else { self.kept_tokens() as f64 / room as f64 }
    }
}
