use crate::DataError;
use refire_core::{BoxError, Row, RowSource, Stateful};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Reads rows ahead on a thread of its own.
///
/// Its state is that of the rows handed out, not of those read ahead: a resumed run repeats what
/// was waiting, and nothing else. Rows are asked for from the source in blocks of `block`, so a
/// source whose rows depend on how many are asked for at once gives those of `block`.
///
/// ```
/// use refire_core::{Row, RowSource};
/// use refire_data::{Prefetch, ShuffledRows};
/// let rows = (0..10).map(|id| Row { id, ..Row::default() }).collect();
/// let mut ahead = Prefetch::new(ShuffledRows::new(rows, 0)?, 4, 2)?;
/// assert_eq!(ahead.next(7)?.len(), 7);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct Prefetch<S: RowSource + 'static> {
    block: usize,
    depth: usize,
    worker: Option<Worker<S>>,
    waiting: VecDeque<Row>,
    /// State of the source before the rows in `waiting`, and how many of its block are gone.
    before: Vec<u8>,
    used: usize,
    ended: bool,
}

struct Worker<S> {
    blocks: Receiver<Result<Block, BoxError>>,
    thread: JoinHandle<S>,
}

struct Block {
    /// State before the block.
    before: Vec<u8>,
    rows: Vec<Row>,
}

impl<S: RowSource + 'static> std::fmt::Debug for Prefetch<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prefetch").field("block", &self.block).finish_non_exhaustive()
    }
}

impl<S: RowSource + 'static> Prefetch<S> {
    /// Reads ahead up to `depth` blocks of `block` rows.
    ///
    /// # Errors
    /// When either is 0, or the source can't tell its state.
    pub fn new(source: S, block: usize, depth: usize) -> Result<Self, DataError> {
        for (field, value) in [("block", block), ("depth", depth)] {
            if value == 0 {
                return Err(DataError::out_of_range(field, value, "at least 1"));
            }
        }
        let before = source
            .state()
            .map_err(|source| DataError::Caller { what: "the row source", source })?;
        let worker = Some(start(source, block, depth));
        let waiting = VecDeque::new();
        Ok(Self { block, depth, worker, waiting, before, used: 0, ended: false })
    }

    fn receive(&mut self) -> Result<(), BoxError> {
        let received = self.worker.as_ref().and_then(|worker| worker.blocks.recv().ok());
        match received {
            Some(block) => {
                let Block { before, rows } = block?;
                (self.before, self.used) = (before, 0);
                self.ended = rows.len() < self.block;
                self.waiting.extend(rows);
            }
            None => self.ended = true,
        }
        Ok(())
    }
}

fn start<S: RowSource + 'static>(source: S, block: usize, depth: usize) -> Worker<S> {
    let (sender, blocks) = sync_channel(depth);
    let thread = std::thread::spawn(move || read(source, block, &sender));
    Worker { blocks, thread }
}

/// Sends blocks until nobody takes them, and returns the source.
fn read<S: RowSource>(mut source: S, block: usize, to: &SyncSender<Result<Block, BoxError>>) -> S {
    loop {
        let next = source.state().and_then(|before| {
            let rows = source.next(block)?;
            Ok(Block { before, rows })
        });
        let last = next.as_ref().map_or(true, |found| found.rows.len() < block);
        if to.send(next).is_err() || last {
            return source;
        }
    }
}

impl<S: RowSource + 'static> RowSource for Prefetch<S> {
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
        let mut rows = Vec::with_capacity(n);
        while rows.len() < n {
            match self.waiting.pop_front() {
                Some(row) => {
                    self.used += 1;
                    rows.push(row);
                }
                None if self.ended => break,
                None => self.receive()?,
            }
        }
        Ok(rows)
    }
}

impl<S: RowSource + 'static> Stateful for Prefetch<S> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        refire_core::encode_state(&(&self.before, self.used))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (before, used): (Vec<u8>, usize) = refire_core::decode_state("Prefetch", state)?;
        let Some(Worker { blocks, thread }) = self.worker.take() else {
            return Err("an earlier restore failed; build the source anew".into());
        };
        drop(blocks);
        let mut source = thread.join().map_err(|_| "the thread that reads ahead has panicked")?;
        source.restore(&before)?;
        self.worker = Some(start(source, self.block, self.depth));
        self.waiting.clear();
        (self.before, self.used, self.ended) = (before, 0, false);
        let skipped = self.next(used)?.len();
        if skipped == used { Ok(()) } else { Err("the source has fewer rows than before".into()) }
    }
}
