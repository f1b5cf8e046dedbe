//! One call of `generate`: admission, decoding, drawing, events.

use super::EngineConfig;
use super::episodes::EnvironmentFailure;
use super::pool::Pool;
use super::row::{Ended, Next, Row, Shared};
use crate::{DrawBuffer, SampleError};
use rayon::prelude::*;
use refire_core::{Completion, Environment, Finish, Flow, Request, RolloutEvent};
use refire_model::{Decode, KvPrefix, Work};

/// Makes the environment of a completion, if it has one.
pub(super) type MakeEnvironment<'a> =
    dyn FnMut(&Request, usize) -> Option<Box<dyn Environment>> + 'a;

/// Asks the caller about an event.
pub(super) type Sink<'a> = dyn FnMut(RolloutEvent<'_>) -> Flow + 'a;

/// A prompt that was read, for the completions that begin from it.
struct Prompt {
    prefix: KvPrefix,
    logits: Vec<f32>,
}

pub(super) struct Run<'a> {
    pub(super) shared: Shared<'a>,
    pub(super) decoder: &'a dyn Decode,
    pub(super) config: &'a EngineConfig,
    pub(super) pool: &'a mut Pool,
    pub(super) make: &'a mut MakeEnvironment<'a>,
    pub(super) sink: &'a mut Sink<'a>,
    /// Completions that are being decoded, in the order of admission.
    rows: Vec<Row>,
    /// `[rows, vocab]`.
    logits: Vec<f32>,
    buffers: Vec<DrawBuffer>,
    prompts: Vec<Option<Prompt>>,
    /// Next completion to admit.
    next: (usize, usize),
    done: Vec<Vec<Option<Completion>>>,
    failures: Vec<EnvironmentFailure>,
    stopped: bool,
}

/// Completions by request and sample, and what went wrong around them.
pub(super) type Outcome = (Vec<Vec<Completion>>, Vec<EnvironmentFailure>);

impl<'a> Run<'a> {
    pub(super) fn new(
        shared: Shared<'a>,
        decoder: &'a dyn Decode,
        config: &'a EngineConfig,
        pool: &'a mut Pool,
        make: &'a mut MakeEnvironment<'a>,
        sink: &'a mut Sink<'a>,
    ) -> Self {
        let threads = rayon::current_num_threads();
        Self {
            shared,
            decoder,
            config,
            pool,
            make,
            sink,
            rows: Vec::new(),
            logits: Vec::new(),
            buffers: (0..threads).map(|_| DrawBuffer::default()).collect(),
            prompts: shared.plans.iter().map(|_| None).collect(),
            next: (0, 0),
            done: shared.plans.iter().map(|plan| (0..plan.n).map(|_| None).collect()).collect(),
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

    /// Fills free slots; prompts are read as their first completion gets a slot.
    fn admit(&mut self) -> Result<(), SampleError> {
        while self.next.0 < self.shared.plans.len() {
            let (request, sample) = self.next;
            let full = self.rows.len() >= self.config.max_slots;
            let (plan, asked) = (&self.shared.plans[request], &self.shared.requests[request]);
            let at_limit = plan.resumed(asked) >= plan.limit;
            if full && !self.stopped && !at_limit {
                break;
            }
            self.next = if sample + 1 < plan.n { (request, sample + 1) } else { (request + 1, 0) };
            if self.stopped || at_limit {
                let mut row = Row::new(self.shared, (request, sample), None)?;
                row.close_turn(self.shared, (!self.stopped).then_some(Ended::Limit))?;
                self.hand_over(row);
                continue;
            }
            if self.prompts[request].is_none() {
                self.read_prompts(request)?;
            }
            let environment = (self.make)(asked, sample);
            let mut row = Row::new(self.shared, (request, sample), environment)?;
            let last = sample + 1 == plan.n;
            let slot = &mut self.prompts[request];
            let Some(prompt) = slot else { return Err(SampleError::Prefix) };
            row.cache = Some(self.pool.take(self.decoder, prompt.prefix.clone()));
            self.logits.extend_from_slice(&prompt.logits);
            self.rows.push(row);
            if last {
                *slot = None;
            }
        }
        Ok(())
    }

    /// Reads a request's prompt, together with the next ones that will get slots now.
    fn read_prompts(&mut self, first: usize) -> Result<(), SampleError> {
        let plans = self.shared.plans;
        let (free, most) =
            (self.config.max_slots - self.rows.len(), self.config.max_prefill_tokens);
        let (mut last, mut tokens, mut rows) = (first, 0, 0);
        while last < plans.len() {
            tokens += plans[last].prefix.len();
            if last > first && (tokens > most || rows >= free) {
                break;
            }
            rows += plans[last].n;
            last += 1;
        }
        let fresh = |i: &usize| plans[*i].resumed(&self.shared.requests[*i]) < plans[*i].limit;
        let batch: Vec<usize> = (first..last).filter(fresh).collect();
        let vocab = self.decoder.vocab();
        let cache = |i: &usize| self.decoder.cache(None, plans[*i].prefix.len());
        let mut caches: Vec<_> = batch.iter().map(cache).collect();
        let mut logits = vec![0.0; batch.len() * vocab];
        // Only a prompt that is alone can be longer than one piece.
        let longest = batch.iter().map(|i| plans[*i].prefix.len()).max().unwrap_or(0);
        for start in (0..longest).step_by(most) {
            let items = batch.iter().zip(&mut caches).zip(logits.chunks_exact_mut(vocab));
            let mut work: Vec<Work<'_>> = items
                .filter_map(|((i, cache), logits)| {
                    let prefix = &plans[*i].prefix;
                    let tokens = prefix.get(start..(start + most).min(prefix.len()))?;
                    (!tokens.is_empty()).then_some(Work { tokens, cache, logits })
                })
                .collect();
            self.decoder.forward(&mut work)?;
        }
        for ((i, cache), logits) in batch.iter().zip(caches).zip(logits.chunks_exact(vocab)) {
            let prefix = cache.into_prefix().ok_or(SampleError::Prefix)?;
            self.prompts[*i] = Some(Prompt { prefix, logits: logits.to_vec() });
        }
        Ok(())
    }

    /// Reads the last tokens of all rows but those that have just begun.
    fn decode(&mut self) -> Result<(), SampleError> {
        let rows = self.rows.iter_mut().zip(self.logits.chunks_exact_mut(self.decoder.vocab()));
        let mut work: Vec<Work<'_>> = rows
            .filter(|(row, _)| !row.unread.is_empty())
            .filter_map(|(row, logits)| {
                let cache = row.cache.as_mut()?;
                Some(Work { tokens: &row.unread, cache, logits })
            })
            .collect();
        self.decoder.forward(&mut work)?;
        self.rows.iter_mut().for_each(|row| row.unread.clear());
        Ok(())
    }

    /// Draws the next token of every row.
    fn draw(&mut self) {
        let (shared, vocab) = (self.shared, self.decoder.vocab());
        let part = self.rows.len().div_ceil(self.buffers.len());
        let rows = self.rows.par_chunks_mut(part).zip(self.logits.par_chunks_mut(part * vocab));
        rows.zip(self.buffers.par_iter_mut()).for_each(|((rows, logits), buffer)| {
            for (row, logits) in rows.iter_mut().zip(logits.chunks_exact_mut(vocab)) {
                row.next = Some(row.draw(shared, logits, buffer));
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
        self.logits.truncate(self.rows.len() * self.decoder.vocab());
        Ok(())
    }

    /// Adds a token to its row; false if that ended it.
    fn take_token(&mut self, row: &mut Row, next: Next) -> Result<bool, SampleError> {
        row.push(next.drawn, self.shared.version);
        let token = next.drawn.token;
        let event = RolloutEvent::Token { request: row.request, sample: row.sample, token };
        let flow = (self.sink)(event);
        self.stopped |= flow == Flow::CancelAll;
        let Some(ended) = next.ended else {
            if flow == Flow::CancelOne {
                row.close_turn(self.shared, None)?;
            }
            return Ok(flow != Flow::CancelOne);
        };
        let replies = row.environment.is_some() && !matches!(ended, Ended::Limit);
        row.close_turn(self.shared, Some(ended))?;
        if replies && flow != Flow::Continue {
            row.completion.finish = Finish::Cancelled;
        }
        if replies && flow == Flow::Continue { self.reply(row) } else { Ok(false) }
    }

    /// Lets the environment speak; false if the episode is over.
    fn reply(&mut self, row: &mut Row) -> Result<bool, SampleError> {
        let Some(environment) = &mut row.environment else { return Ok(false) };
        let vocab = self.decoder.vocab();
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
                let limit = self.shared.plans[row.request].limit;
                if row.completion.len() + tokens.len() < limit {
                    row.append_reply(self.shared, &tokens)?;
                    return Ok(true);
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

    /// Hands a completion to the caller; its cache serves another.
    fn hand_over(&mut self, row: Row) {
        let Row { request, sample, cache, completion, .. } = row;
        cache.into_iter().for_each(|cache| self.pool.give_back(cache));
        let event = RolloutEvent::Finished { request, sample, completion: &completion };
        self.stopped |= (self.sink)(event) == Flow::CancelAll;
        self.done[request][sample] = Some(completion);
    }
}
