//! Who may begin: slots, and the memory of caches.

use super::lane::ReadTrunk;
use super::row::{Ended, Row};
use super::run::Run;
use super::trunk::Trunk;
use crate::SampleError;

/// A trunk in the course of a call.
#[derive(Debug)]
pub(super) struct TrunkState {
    pub(super) trunk: Trunk,
    /// By lane; empty while nobody has read it.
    read: Vec<ReadTrunk>,
    /// Completions that haven't begun, and that are being decoded.
    waiting: usize,
    running: usize,
}

impl TrunkState {
    pub(super) fn new(trunk: Trunk, waiting: usize) -> Self {
        Self { trunk, read: Vec::new(), waiting, running: 0 }
    }

    /// Tokens that its cache holds.
    fn tokens(&self) -> usize {
        if self.read.is_empty() && self.running == 0 { 0 } else { self.trunk.len }
    }

    /// One completion fewer waits; nobody keeps the cache for none.
    fn take_one(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.read.clear();
        }
    }

    pub(super) fn leave_one(&mut self) {
        self.running -= 1;
    }
}

impl Run<'_> {
    /// Fills free slots; a trunk is read as its first completion gets one.
    pub(super) fn admit(&mut self) -> Result<(), SampleError> {
        while self.next.0 < self.shared.plans.len() {
            let (request, sample) = self.next;
            let (plan, asked) = (&self.shared.plans[request], &self.shared.requests[request]);
            let at_limit = plan.resumed(asked) >= plan.limit;
            let idle = self.stopped || at_limit;
            if !idle && !self.has_room(request) {
                break;
            }
            self.next = if sample + 1 < plan.n { (request, sample + 1) } else { (request + 1, 0) };
            let trunk = self.trunk_of[request];
            if idle {
                self.trunks[trunk].take_one();
                let mut row = Row::new(self.shared, (request, sample), None)?;
                row.close_turn(self.shared, (!self.stopped).then_some(Ended::Limit))?;
                self.hand_over(row);
                continue;
            }
            if self.trunks[trunk].read.is_empty() {
                self.read_trunks(request)?;
            }
            let environment = (self.make)(asked, sample);
            let mut row = Row::new(self.shared, (request, sample), environment)?;
            self.begin(&mut row, trunk);
            // A resumed completion may have spent its thinking budget.
            if self.answer(&mut row)? {
                self.rows.push(row);
            } else {
                let rows = self.rows.len();
                self.lanes.iter_mut().for_each(|lane| lane.shrink(rows));
                self.hand_over(row);
            }
        }
        Ok(())
    }

    fn begin(&mut self, row: &mut Row, trunk: usize) {
        let plan = &self.shared.plans[row.request];
        let state = &mut self.trunks[trunk];
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let needed = index == 0 || plan.params.blend.is_some();
            lane.admit(row, state.read.get(index).filter(|_| needed));
        }
        row.unread.extend_from_slice(&plan.prefix[state.trunk.len..]);
        state.running += 1;
        state.take_one();
    }

    /// True if another completion of this request may begin now.
    fn has_room(&mut self, request: usize) -> bool {
        if self.rows.len() >= self.config.max_slots {
            return false;
        }
        let Some(budget) = self.config.max_cache_tokens else { return true };
        let trunk = self.trunk_of[request];
        if self.cache_tokens(trunk) > budget {
            // A trunk that only waits can be read again.
            for (index, state) in self.trunks.iter_mut().enumerate() {
                if index != trunk && state.running == 0 {
                    state.read.clear();
                }
            }
            self.lanes.iter_mut().for_each(|lane| lane.pool.trim());
        }
        self.cache_tokens(trunk) <= budget
    }

    /// Tokens in caches with one more completion on this trunk.
    fn cache_tokens(&self, trunk: usize) -> usize {
        let tokens = |(index, state): (usize, &TrunkState)| {
            if index == trunk { state.trunk.len } else { state.tokens() }
        };
        let trunks: usize = self.trunks.iter().enumerate().map(tokens).sum();
        let pool = &*self.lanes[0].pool;
        trunks + (self.rows.len() + pool.free().max(1)) * pool.capacity()
    }

    /// Reads a request's trunk, together with the next ones that will be needed now.
    fn read_trunks(&mut self, first: usize) -> Result<(), SampleError> {
        let plans = self.shared.plans;
        let (free, most) =
            (self.config.max_slots - self.rows.len(), self.config.max_prefill_tokens);
        let capacity = self.lanes[0].pool.capacity();
        let mut batch = vec![self.trunk_of[first]];
        let mut tokens = self.trunks[batch[0]].trunk.len;
        let mut left = self
            .config
            .max_cache_tokens
            .map_or(usize::MAX, |budget| budget.saturating_sub(self.cache_tokens(batch[0])));
        let mut rows = plans[first].n;
        for (request, plan) in plans.iter().enumerate().skip(first + 1) {
            let trunk = self.trunk_of[request];
            let fresh = self.trunks[trunk].read.is_empty() && !batch.contains(&trunk);
            let len = if fresh { self.trunks[trunk].trunk.len } else { 0 };
            let needed = len.saturating_add(plan.n.saturating_mul(capacity));
            if rows >= free || tokens + len > most || needed > left {
                break;
            }
            let at_limit = plan.resumed(&self.shared.requests[request]);
            if fresh && at_limit < plan.limit {
                batch.push(trunk);
                tokens += len;
            }
            (rows, left) = (rows + plan.n, left - needed);
        }
        let texts: Vec<&[u32]> = batch
            .iter()
            .map(|trunk| {
                let trunk = &self.trunks[*trunk].trunk;
                &plans[trunk.request].prefix[..trunk.len]
            })
            .collect();
        for lane in &self.lanes {
            for (trunk, read) in batch.iter().zip(lane.read(&texts, most)?) {
                self.trunks[*trunk].read.push(read);
            }
        }
        Ok(())
    }
}
