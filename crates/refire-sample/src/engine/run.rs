//! One call of `generate`: decoding, drawing, events.

use super::EngineConfig;
use super::admit::TrunkState;
use super::episodes::EnvironmentFailure;
use super::lane::Lane;
use super::row::{Ended, Next, Row, Shared};
use super::trunk::Trunk;
use crate::{DrawBuffer, SampleError};
use rayon::prelude::*;
use refire_core::{Completion, Environment, Finish, Flow, Request, RolloutEvent};

/// Makes the environment of a completion, if it has one.
pub(super) type MakeEnvironment<'a> =
    dyn FnMut(&Request, usize) -> Option<Box<dyn Environment>> + 'a;

/// Asks the caller about an event.
pub(super) type Sink<'a> = dyn FnMut(RolloutEvent<'_>) -> Flow + 'a;

pub(super) struct Run<'a> {
    pub(super) shared: Shared<'a>,
    pub(super) config: &'a EngineConfig,
    pub(super) make: &'a mut MakeEnvironment<'a>,
    sink: &'a mut Sink<'a>,
    /// The engine's own model, and its partner where a request blends the two.
    pub(super) lanes: Vec<Lane<'a>>,
    /// Completions that are being decoded, in the order of admission.
    pub(super) rows: Vec<Row>,
    buffers: Vec<DrawBuffer>,
    pub(super) trunks: Vec<TrunkState>,
    /// The trunk of each request.
    pub(super) trunk_of: Vec<usize>,
    /// Next completion to admit.
    pub(super) next: (usize, usize),
    done: Vec<Vec<Option<Completion>>>,
    failures: Vec<EnvironmentFailure>,
    pub(super) stopped: bool,
}

/// Completions by request and sample, and what went wrong around them.
pub(super) type Outcome = (Vec<Vec<Completion>>, Vec<EnvironmentFailure>);

impl<'a> Run<'a> {
    pub(super) fn new(
        shared: Shared<'a>,
        trunks: Vec<Trunk>,
        lanes: Vec<Lane<'a>>,
        config: &'a EngineConfig,
        make: &'a mut MakeEnvironment<'a>,
        sink: &'a mut Sink<'a>,
    ) -> Self {
        let plans = shared.plans;
        let mut trunk_of = vec![0; plans.len()];
        for (index, trunk) in trunks.iter().enumerate() {
            trunk.users.iter().for_each(|user| trunk_of[*user] = index);
        }
        let waiting = |trunk: &Trunk| trunk.users.iter().map(|user| plans[*user].n).sum();
        let threads = rayon::current_num_threads();
        Self {
            shared,
            config,
            make,
            sink,
            lanes,
            rows: Vec::new(),
            buffers: (0..threads).map(|_| DrawBuffer::default()).collect(),
            trunks: trunks
                .into_iter()
                .map(|trunk| {
                    let waiting = waiting(&trunk);
                    TrunkState::new(trunk, waiting)
                })
                .collect(),
            trunk_of,
            next: (0, 0),
            done: plans.iter().map(|plan| (0..plan.n).map(|_| None).collect()).collect(),
            failures: Vec::new(),
            stopped: false,
        }
    }

    pub(super) fn finish(mut self) -> Result<Outcome, SampleError> {
        loop {
            self.admit()?;
            if self.rows.is_empty() {
                break;
            }
            self.decode()?;
            self.draw();
            self.commit()?;
        }
        let groups = self.done.into_iter().map(|group| group.into_iter().flatten().collect());
        Ok((groups.collect(), self.failures))
    }

    /// Reads what rows have not read: their last token, or a piece of what was given to them.
    fn decode(&mut self) -> Result<(), SampleError> {
        let mut left = self.config.max_prefill_tokens;
        for row in &mut self.rows {
            let unread = row.unread.len();
            row.reading = if unread == 1 { 1 } else { unread.min(left) };
            left -= if unread == 1 { 0 } else { row.reading };
        }
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            lane.decode(index, &mut self.rows)?;
        }
        for row in &mut self.rows {
            row.unread.drain(..row.reading);
        }
        Ok(())
    }

    /// Draws the next token of every row that has read all it was given.
    fn draw(&mut self) {
        let [own, partner @ ..] = self.lanes.as_mut_slice() else { return };
        let (shared, vocab) = (self.shared, own.decoder.vocab());
        let part = self.rows.len().div_ceil(self.buffers.len());
        let partner = partner.first().map(|lane| lane.logits.as_slice());
        let rows = self.rows.par_chunks_mut(part).zip(own.logits.par_chunks_mut(part * vocab));
        let parts = rows.zip(self.buffers.par_iter_mut()).enumerate();
        parts.for_each(|(index, ((rows, logits), buffer))| {
            let rows = rows.iter_mut().zip(logits.chunks_exact_mut(vocab)).enumerate();
            for (offset, (row, logits)) in rows.filter(|(_, (row, _))| row.unread.is_empty()) {
                let place = (index * part + offset) * vocab;
                let blends = row.caches.len() > 1;
                let partner = partner.filter(|_| blends).map(|all| &all[place..place + vocab]);
                row.next = Some(row.draw(shared, logits, partner, buffer));
            }
        });
    }

    /// Takes over what was drawn, row by row; ended rows leave.
    fn commit(&mut self) -> Result<(), SampleError> {
        let mut left = Vec::with_capacity(self.rows.len());
        for mut row in std::mem::take(&mut self.rows) {
            let goes_on = match row.next.take() {
                Some(next) if !self.stopped => self.take_token(&mut row, next?)?,
                _ => true,
            };
            if goes_on {
                left.push(row);
            } else {
                self.hand_over(row);
            }
        }
        if self.stopped {
            for mut row in left.drain(..) {
                row.close_turn(self.shared, None)?;
                self.hand_over(row);
            }
        }
        self.rows = left;
        let rows = self.rows.len();
        self.lanes.iter_mut().for_each(|lane| lane.shrink(rows));
        Ok(())
    }

    /// Adds a token to its row; false if that ended it.
    fn take_token(&mut self, row: &mut Row, next: Next) -> Result<bool, SampleError> {
        if matches!(next.ended, Some(Ended::TurnedAway)) {
            let wait = row.wait(self.shared)?;
            return self.tell_written(row, wait).and_then(|goes_on| match goes_on {
                true => self.answer(row),
                false => Ok(false),
            });
        }
        row.push(self.shared, next.drawn);
        let token = next.drawn.token;
        let event = RolloutEvent::Token { request: row.request, sample: row.sample, token };
        let flow = (self.sink)(event);
        self.stopped |= flow == Flow::CancelAll;
        let Some(ended) = next.ended else {
            if flow == Flow::CancelOne {
                row.close_turn(self.shared, None)?;
            }
            return if flow == Flow::Continue { self.answer(row) } else { Ok(self.stopped) };
        };
        let replies = row.environment.is_some() && !matches!(ended, Ended::Limit);
        row.close_turn(self.shared, Some(ended))?;
        if replies && flow != Flow::Continue {
            row.completion.finish = Finish::Cancelled;
        }
        if replies && flow == Flow::Continue { self.reply(row) } else { Ok(false) }
    }

    /// Writes the answer's beginning where the thinking budget is spent; false if that was the end.
    pub(super) fn answer(&mut self, row: &mut Row) -> Result<bool, SampleError> {
        match row.answer(self.shared)? {
            Some(answer) => self.tell_written(row, answer),
            None => Ok(true),
        }
    }

    /// Reports the last `tokens` tokens as written; false if the caller stops the row.
    fn tell_written(&mut self, row: &mut Row, tokens: usize) -> Result<bool, SampleError> {
        let (request, sample) = (row.request, row.sample);
        let tokens = &row.completion.tokens[row.completion.len() - tokens..];
        let flow = (self.sink)(RolloutEvent::Written { request, sample, tokens });
        self.stopped |= flow == Flow::CancelAll;
        // A cancelled call closes the row later; its turns end here already.
        row.completion.finish = Finish::Cancelled;
        Ok(flow != Flow::CancelOne)
    }

    /// Lets the environment speak; false if the episode is over.
    fn reply(&mut self, row: &mut Row) -> Result<bool, SampleError> {
        let Some(environment) = &mut row.environment else { return Ok(false) };
        let vocab = self.lanes[0].decoder.vocab();
        let reply = environment.reply(&row.completion).and_then(|reply| {
            let wrong = reply.iter().flatten().find(|token| **token as usize >= vocab);
            let request = self.shared.requests[row.request].id;
            let what = "the environment's reply";
            match wrong {
                Some(token) => {
                    Err(SampleError::TokenId { request, what, token: *token, vocab }.into())
                }
                None => Ok(reply),
            }
        });
        match reply {
            Ok(Some(tokens)) => {
                if tokens.len() < row.room(self.shared) {
                    row.append_written(self.shared, &tokens)?;
                    return self.tell_written(row, tokens.len());
                }
                row.completion.finish = Finish::Length;
            }
            Ok(None) => row.completion.finish = Finish::Environment,
            Err(error) => {
                row.completion.finish = Finish::Cancelled;
                let (request, sample) = (row.request, row.sample);
                self.failures.push(EnvironmentFailure { request, sample, error });
            }
        }
        Ok(false)
    }

    /// Hands a completion to the caller; its caches serve another.
    pub(super) fn hand_over(&mut self, row: Row) {
        let Row { request, sample, caches, completion, .. } = row;
        if !caches.is_empty() {
            self.trunks[self.trunk_of[request]].leave_one();
        }
        for (lane, cache) in self.lanes.iter_mut().zip(caches) {
            lane.pool.give_back(cache);
        }
        let event = RolloutEvent::Finished { request, sample, completion: &completion };
        self.stopped |= (self.sink)(event) == Flow::CancelAll;
        self.done[request][sample] = Some(completion);
    }
}
