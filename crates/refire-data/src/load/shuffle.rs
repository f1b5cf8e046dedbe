use super::Permutation;
use crate::DataError;
use refire_core::{BoxError, CoreError, Row, RowSource, Stateful, decode_state, encode_state};

/// Endless shuffled passes over `0..n` whose whole state is (seed, n, epoch, cursor).
///
/// ```
/// use refire_data::Shuffle;
/// let mut shuffle = Shuffle::new(1_000_000_000, 3)?;
/// let (index, epoch) = shuffle.next_index();
/// assert!(index < 1_000_000_000 && epoch == 0);
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Shuffle {
    seed: u64,
    epoch: u64,
    cursor: u64,
    order: Permutation,
}

impl Shuffle {
    /// Passes over `0..n`.
    ///
    /// # Errors
    /// When there is nothing to pass over.
    pub fn new(n: usize, seed: u64) -> Result<Self, DataError> {
        if n == 0 {
            return Err(DataError::Empty { what: "items to shuffle" });
        }
        Ok(Self { seed, epoch: 0, cursor: 0, order: Permutation::new(n as u64, seed, 0) })
    }

    /// The next index, and the pass it belongs to.
    pub fn next_index(&mut self) -> (usize, u64) {
        if self.cursor == self.order.len() {
            self.epoch += 1;
            self.cursor = 0;
            self.order = Permutation::new(self.order.len(), self.seed, self.epoch);
        }
        self.cursor += 1;
        (self.order.at(self.cursor - 1) as usize, self.epoch)
    }
}

impl Stateful for Shuffle {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&(self.seed, self.order.len(), self.epoch, self.cursor))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (seed, n, epoch, cursor): (u64, u64, u64, u64) = decode_state("Shuffle", state)?;
        if (seed, n) != (self.seed, self.order.len()) || cursor > n {
            let (now_seed, now) = (self.seed, self.order.len());
            let reason =
                format!("saved with seed {seed} over {n} items, now {now_seed} over {now}");
            return Err(CoreError::State { owner: "Shuffle", reason }.into());
        }
        (self.epoch, self.cursor) = (epoch, cursor);
        self.order = Permutation::new(n, seed, epoch);
        Ok(())
    }
}

/// Serves rows in shuffled passes.
///
/// ```
/// use refire_core::{Row, RowSource, Stateful};
/// use refire_data::ShuffledRows;
/// let rows: Vec<Row> = (0..4).map(|id| Row { id, ..Row::default() }).collect();
/// let mut source = ShuffledRows::new(rows.clone(), 7)?;
/// source.next(3)?;
/// let mut resumed = ShuffledRows::new(rows, 7)?;
/// resumed.restore(&source.state()?)?;
/// assert_eq!(resumed.next(6)?, source.next(6)?);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ShuffledRows {
    rows: Vec<Row>,
    shuffle: Shuffle,
}

impl ShuffledRows {
    /// A source over rows.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(rows: Vec<Row>, seed: u64) -> Result<Self, DataError> {
        let shuffle = Shuffle::new(rows.len(), seed)?;
        Ok(Self { rows, shuffle })
    }
}

impl RowSource for ShuffledRows {
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
        Ok((0..n).map(|_| self.rows[self.shuffle.next_index().0].clone()).collect())
    }
}

impl Stateful for ShuffledRows {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.shuffle.state()
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.shuffle.restore(state)
    }
}
