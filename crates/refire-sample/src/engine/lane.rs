use super::pool::Pool;
use super::row::Row;
use crate::SampleError;
use refire_model::{Decode, KvPrefix, ModelError, Work};

/// A trunk that one model has read.
#[derive(Debug, Clone)]
pub(super) struct ReadTrunk {
    pub(super) prefix: KvPrefix,
    pub(super) logits: Vec<f32>,
}

/// One model at work in a call: the engine's own, or its partner.
pub(super) struct Lane<'a> {
    pub(super) decoder: &'a dyn Decode,
    pub(super) pool: &'a mut Pool,
    /// `[rows, vocab]`.
    pub(super) logits: Vec<f32>,
}

impl Lane<'_> {
    /// Reads trunks together, at most `most` tokens of each at once.
    pub(super) fn read(
        &self,
        trunks: &[&[u32]],
        most: usize,
    ) -> Result<Vec<ReadTrunk>, SampleError> {
        let vocab = self.decoder.vocab();
        let mut caches: Vec<_> = trunks.iter().map(|t| self.decoder.cache(None, t.len())).collect();
        let mut logits = vec![0.0; trunks.len() * vocab];
        // Only a trunk that is alone can be longer than one piece.
        let longest = trunks.iter().map(|trunk| trunk.len()).max().unwrap_or(0);
        for start in (0..longest).step_by(most) {
            let items = trunks.iter().zip(&mut caches).zip(logits.chunks_exact_mut(vocab));
            let mut work: Vec<Work<'_>> = items
                .filter_map(|((trunk, cache), logits)| {
                    let tokens = trunk.get(start..(start + most).min(trunk.len()))?;
                    (!tokens.is_empty()).then_some(Work { tokens, cache, logits })
                })
                .collect();
            self.decoder.forward(&mut work)?;
        }
        let read = caches.into_iter().zip(logits.chunks_exact(vocab)).map(|(cache, logits)| {
            let prefix = cache.into_prefix().ok_or(SampleError::Prefix)?;
            Ok(ReadTrunk { prefix, logits: logits.to_vec() })
        });
        read.collect()
    }

    /// Gives a new row its cache and its row of logits, or an unused row of them.
    pub(super) fn admit(&mut self, row: &mut Row, trunk: Option<&ReadTrunk>) {
        match trunk {
            Some(trunk) => {
                row.caches.push(self.pool.take(self.decoder, trunk.prefix.clone()));
                self.logits.extend_from_slice(&trunk.logits);
            }
            None => self.logits.resize(self.logits.len() + self.decoder.vocab(), 0.0),
        }
    }

    /// Reads the first `row.reading` unread tokens of every row that has a cache in this lane.
    pub(super) fn decode(&mut self, lane: usize, rows: &mut [Row]) -> Result<(), ModelError> {
        let logits = self.logits.chunks_exact_mut(self.decoder.vocab());
        let mut work: Vec<Work<'_>> = rows
            .iter_mut()
            .zip(logits)
            .filter(|(row, _)| row.reading > 0)
            .filter_map(|(row, logits)| {
                let cache = row.caches.get_mut(lane)?;
                Some(Work { tokens: &row.unread[..row.reading], cache, logits })
            })
            .collect();
        if work.is_empty() { Ok(()) } else { self.decoder.forward(&mut work) }
    }

    /// Forgets the logits of rows that left. The others read a token before they draw again, so
    /// their places may change.
    pub(super) fn shrink(&mut self, rows: usize) {
        self.logits.truncate(rows * self.decoder.vocab());
    }
}
