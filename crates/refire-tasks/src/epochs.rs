use crate::TaskError;
use refire_core::{BoxError, CoreError, Purpose, Stateful, Stream, decode_state, encode_state};

/// Endless shuffled passes over `0..n`; each pass is a permutation keyed by (seed, pass).
///
/// ```
/// use refire_tasks::Epochs;
/// let mut epochs = Epochs::new(3, 0)?;
/// let mut first: Vec<usize> = (0..3).map(|_| epochs.next_index().0).collect();
/// first.sort_unstable();
/// assert_eq!(first, [0, 1, 2]);
/// assert_eq!(epochs.next_index().1, 1, "the second pass begins");
/// # Ok::<(), refire_tasks::TaskError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Epochs {
    seed: u64,
    epoch: u64,
    cursor: usize,
    order: Vec<usize>,
}

impl Epochs {
    /// Passes over `0..n`.
    ///
    /// # Errors
    /// When there is nothing to pass over.
    pub fn new(n: usize, seed: u64) -> Result<Self, TaskError> {
        if n == 0 {
            return Err(TaskError::Empty { what: "items to pass over" });
        }
        Ok(Self { seed, epoch: 0, cursor: 0, order: order(n, seed, 0) })
    }

    /// The next index, and the pass it belongs to.
    pub fn next_index(&mut self) -> (usize, u64) {
        if self.cursor == self.order.len() {
            self.cursor = 0;
            self.epoch += 1;
            self.order = order(self.order.len(), self.seed, self.epoch);
        }
        self.cursor += 1;
        (self.order[self.cursor - 1], self.epoch)
    }
}

fn order(n: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Stream::new(seed, Purpose::DATA, epoch, 0, 0).shuffle(&mut order);
    order
}

impl Stateful for Epochs {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&(self.seed, self.order.len(), self.epoch, self.cursor))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (seed, n, epoch, cursor): (u64, usize, u64, usize) = decode_state("Epochs", state)?;
        if (seed, n) != (self.seed, self.order.len()) || cursor > n {
            let (now_seed, now) = (self.seed, self.order.len());
            let reason =
                format!("saved with seed {seed} over {n} items, now {now_seed} over {now}");
            return Err(CoreError::State { owner: "Epochs", reason }.into());
        }
        (self.epoch, self.cursor) = (epoch, cursor);
        self.order = order(n, seed, epoch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_pass_goes_on_where_it_was() {
        let mut whole = Epochs::new(7, 3).unwrap();
        let all: Vec<_> = (0..30).map(|_| whole.next_index()).collect();
        for cut in [0, 1, 7, 8, 20] {
            let mut first = Epochs::new(7, 3).unwrap();
            (0..cut).for_each(|_| {
                first.next_index();
            });
            let mut second = Epochs::new(7, 3).unwrap();
            second.restore(&first.state().unwrap()).unwrap();
            let rest: Vec<_> = (cut..30).map(|_| second.next_index()).collect();
            assert_eq!(rest, all[cut..]);
        }
        assert!(Epochs::new(8, 3).unwrap().restore(&whole.state().unwrap()).is_err());
    }
}
