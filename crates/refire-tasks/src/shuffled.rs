use crate::{Epochs, TaskError};
use refire_core::{
    BatchSource, BoxError, Group, Preference, PreferenceSource, Row, RowSource, Score, Stateful,
};

/// Items in memory, served in endless shuffled passes: a source of [`Row`]s, [`Preference`]s or
/// [demonstrations](Group::demonstration) with their scores.
///
/// ```
/// use refire_core::{Preference, PreferenceSource};
/// use refire_tasks::Shuffled;
/// let pairs = vec![Preference::pair(0, vec![1], vec![2], vec![3])];
/// let mut source = Shuffled::new(pairs, 7)?;
/// assert_eq!(source.next(3)?.len(), 3);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Shuffled<T> {
    items: Vec<T>,
    epochs: Epochs,
}

impl<T: Clone> Shuffled<T> {
    /// Passes over these items; each pass is a permutation keyed by (seed, pass).
    ///
    /// # Errors
    /// When there is none.
    pub fn new(items: Vec<T>, seed: u64) -> Result<Self, TaskError> {
        let epochs = Epochs::new(items.len(), seed)?;
        Ok(Self { items, epochs })
    }

    fn take(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| self.items[self.epochs.next_index().0].clone()).collect()
    }
}

impl<T> Stateful for Shuffled<T> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.epochs.state()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.epochs.restore(state)
    }
}

impl RowSource for Shuffled<Row> {
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
        Ok(self.take(n))
    }
}

impl PreferenceSource for Shuffled<Preference> {
    fn next(&mut self, n: usize) -> Result<Vec<Preference>, BoxError> {
        Ok(self.take(n))
    }
}

impl BatchSource for Shuffled<(Group, Vec<Score>)> {
    fn next(&mut self, n: usize) -> Result<Vec<(Group, Vec<Score>)>, BoxError> {
        Ok(self.take(n))
    }
}
