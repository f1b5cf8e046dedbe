use super::MakeProcessors;
use super::forcing::Forcing;
use super::plan::Plan;
use crate::stop::{StopMatcher, Stopped};
use crate::{Detokenize, DrawBuffer, Drawn, Guides, SampleError, Sampler, TokenContext};
use refire_core::{
    Author, BoxError, Completion, Environment, Finish, Purpose, Request, Stream, Turn,
};
use refire_model::KvCache;

/// A completion in the making.
pub(super) struct Row {
    /// Index of its request, and of the completion within the group.
    pub(super) request: usize,
    pub(super) sample: usize,
    /// By lane.
    pub(super) caches: Vec<KvCache>,
    /// Tokens that the decoder hasn't read.
    pub(super) unread: Vec<u32>,
    /// How many of them it reads now.
    pub(super) reading: usize,
    pub(super) completion: Completion,
    pub(super) environment: Option<Box<dyn Environment>>,
    /// What the last draw gave, until it is committed.
    pub(super) next: Option<Result<Next, SampleError>>,
    sampler: Sampler,
    stream: Stream,
    stops: Option<StopMatcher>,
    forcing: Option<Forcing>,
    turn_start: usize,
}

/// A token, and whether it ends the turn.
pub(super) struct Next {
    pub(super) drawn: Drawn,
    pub(super) ended: Option<Ended>,
}

pub(super) enum Ended {
    /// It doesn't: the token isn't taken, thinking goes on.
    TurnedAway,
    Token(u32),
    Text(Stopped),
    Limit,
}

/// What all rows of a call share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) requests: &'a [Request],
    pub(super) plans: &'a [Plan],
    pub(super) codec: &'a dyn Detokenize,
    pub(super) guides: Option<&'a dyn Guides>,
    pub(super) processors: Option<&'a MakeProcessors>,
    pub(super) purpose: Purpose,
    pub(super) version: u32,
}

impl Row {
    pub(super) fn new(
        shared: Shared<'_>,
        (request, sample): (usize, usize),
        environment: Option<Box<dyn Environment>>,
    ) -> Result<Self, SampleError> {
        let (asked, plan) = (&shared.requests[request], &shared.plans[request]);
        let params = &plan.params;
        let (id, visit, first) = (asked.prompt.id, asked.visit, asked.first_sample);
        let mut row = Self {
            request,
            sample,
            caches: Vec::new(),
            unread: Vec::new(),
            reading: 0,
            completion: asked.resume.clone().unwrap_or_else(empty),
            environment,
            next: None,
            sampler: sampler(shared, request, sample)?,
            stream: Stream::new(params.seed, shared.purpose, visit, id, (first + sample) as u64),
            stops: StopMatcher::new(&params.stop),
            forcing: None,
            turn_start: 0,
        };
        row.forcing = params.budget.as_ref().map(|budget| Forcing::of(budget, &row.completion));
        row.reopen(shared)?;
        Ok(row)
    }

    /// Goes on with the last turn of a resumed completion if the policy wrote it.
    fn reopen(&mut self, shared: Shared<'_>) -> Result<(), SampleError> {
        let completion = &mut self.completion;
        self.turn_start = match completion.turns.pop_if(|turn| turn.author == Author::Policy) {
            Some(turn) => turn.start.min(completion.len()),
            None => completion.turns.last().map_or(0, |turn| turn.end.min(completion.len())),
        };
        for at in (0..completion.len()).filter(|at| completion.loss_mask[*at]) {
            self.sampler.observe(&Drawn {
                token: completion.tokens[at],
                model_logprob: completion.model_logprobs[at],
                behaviour_logprob: completion.behaviour_logprobs[at],
            });
        }
        if let Some(stops) = &mut self.stops {
            for token in &completion.tokens[self.turn_start..] {
                let pushed = stops.push(*token, shared.codec);
                pushed.map_err(|source| text_error(shared, self.request, self.sample, source))?;
            }
        }
        Ok(())
    }

    /// Draws the next token and sees whether it ends the turn.
    pub(super) fn draw(
        &mut self,
        shared: Shared<'_>,
        logits: &mut [f32],
        partner: Option<&[f32]>,
        buffer: &mut DrawBuffer,
    ) -> Result<Next, SampleError> {
        let (request, plan) = (&shared.requests[self.request], &shared.plans[self.request]);
        let output = &self.completion.tokens;
        let position = output.len();
        let mut stream = self.stream.clone().at(position as u64);
        let (uniform, chance) = (stream.uniform(), stream.uniform());
        let (prompt, turn_start) = (request.prompt.tokens.as_slice(), self.turn_start);
        let context = TokenContext { prompt, output, turn_start, chance, partner };
        let drawn = self.sampler.draw(&context, logits, uniform, buffer);
        let drawn = drawn.map_err(|source| {
            let (request, sample) = (request.id, self.sample);
            SampleError::Draw { request, sample, position, source }
        })?;
        if let (Some(forcing), Some(budget)) = (&self.forcing, &plan.params.budget)
            && forcing.turns_away(budget, drawn.token, self.room(shared))
        {
            return Ok(Next { drawn, ended: Some(Ended::TurnedAway) });
        }
        if plan.ends.binary_search(&drawn.token).is_ok() {
            return Ok(Next { drawn, ended: Some(Ended::Token(drawn.token)) });
        }
        let stopped = match &mut self.stops {
            Some(stops) => stops.push(drawn.token, shared.codec),
            None => Ok(None),
        };
        let stopped = stopped.map_err(|e| text_error(shared, self.request, self.sample, e))?;
        let ended = match stopped {
            Some(stopped) => Some(Ended::Text(stopped)),
            None => (position + 1 >= plan.limit).then_some(Ended::Limit),
        };
        Ok(Next { drawn, ended })
    }

    /// Adds a drawn token to the columns.
    pub(super) fn push(&mut self, shared: Shared<'_>, drawn: Drawn) {
        self.sampler.observe(&drawn);
        let budget = &shared.plans[self.request].params.budget;
        if let (Some(forcing), Some(budget)) = (&mut self.forcing, budget) {
            forcing.took(budget, drawn.token);
        }
        let c = &mut self.completion;
        c.tokens.push(drawn.token);
        c.loss_mask.push(true);
        c.model_logprobs.push(drawn.model_logprob);
        c.behaviour_logprobs.push(drawn.behaviour_logprob);
        c.versions.push(shared.version);
        self.unread.push(drawn.token);
    }

    /// Tokens that still fit; the last of them must be drawn.
    pub(super) fn room(&self, shared: Shared<'_>) -> usize {
        shared.plans[self.request].limit.saturating_sub(self.completion.len())
    }

    /// Writes what stands in the place of an end that was turned away; how many tokens that is.
    pub(super) fn wait(&mut self, shared: Shared<'_>) -> Result<usize, SampleError> {
        let budget = &shared.plans[self.request].params.budget;
        let (Some(forcing), Some(budget)) = (&mut self.forcing, budget) else { return Ok(0) };
        forcing.waited();
        self.close_turn(shared, None)?;
        self.append_written(shared, &budget.wait)?;
        Ok(budget.wait.len())
    }

    /// Writes the answer's beginning if the thinking budget is spent; how many tokens that is.
    pub(super) fn answer(&mut self, shared: Shared<'_>) -> Result<Option<usize>, SampleError> {
        let budget = &shared.plans[self.request].params.budget;
        let (tokens, room) = (self.completion.len(), self.room(shared));
        let (Some(forcing), Some(budget)) = (&mut self.forcing, budget) else { return Ok(None) };
        let Some(answer) = forcing.answer(budget, tokens, room) else { return Ok(None) };
        self.close_turn(shared, None)?;
        self.append_written(shared, answer)?;
        Ok(Some(answer.len()))
    }

    /// Closes the policy's turn; the completion's text is brought up to date.
    pub(super) fn close_turn(
        &mut self,
        shared: Shared<'_>,
        ended: Option<Ended>,
    ) -> Result<(), SampleError> {
        let (start, mut end) = (self.turn_start, self.completion.len());
        let (finish, cut) = match ended {
            Some(Ended::Token(token)) => {
                end -= 1;
                (Finish::EndToken { token }, None)
            }
            Some(Ended::Text(Stopped { stop, before })) => {
                let include = shared.plans[self.request].params.include_stop;
                let text = if include { before + &stop } else { before };
                (Finish::StopText { text: stop }, Some(text))
            }
            Some(Ended::Limit) => (Finish::Length, None),
            Some(Ended::TurnedAway) | None => (Finish::Cancelled, None),
        };
        self.completion.finish = finish;
        let text = match cut {
            Some(text) => text,
            None => shared
                .codec
                .text(&self.completion.tokens[start..end])
                .map_err(|e| text_error(shared, self.request, self.sample, e))?,
        };
        self.add_turn(Author::Policy, start, text);
        Ok(())
    }

    /// Appends what somebody else writes, for the decoder to read.
    pub(super) fn append_written(
        &mut self,
        shared: Shared<'_>,
        tokens: &[u32],
    ) -> Result<(), SampleError> {
        let text = shared.codec.text(tokens);
        let text = text.map_err(|e| text_error(shared, self.request, self.sample, e))?;
        let c = &mut self.completion;
        let (start, end) = (c.len(), c.len() + tokens.len());
        c.tokens.extend_from_slice(tokens);
        c.loss_mask.resize(end, false);
        c.model_logprobs.resize(end, 0.0);
        c.behaviour_logprobs.resize(end, 0.0);
        c.versions.resize(end, shared.version);
        self.unread.extend_from_slice(tokens);
        self.add_turn(Author::Environment, start, text);
        if let Some(stops) = &mut self.stops {
            stops.clear();
        }
        Ok(())
    }

    fn add_turn(&mut self, author: Author, start: usize, text: String) {
        let c = &mut self.completion;
        let end = c.len();
        if start < end {
            c.turns.push(Turn { author, start, end, text });
        }
        c.text = c.turns.iter().map(|turn| turn.text.as_str()).collect();
        self.turn_start = end;
    }
}

fn sampler(shared: Shared<'_>, request: usize, sample: usize) -> Result<Sampler, SampleError> {
    let plan = &shared.plans[request];
    let mut sampler = Sampler::new(&plan.params, &plan.ends);
    if let Some(constraint) = plan.constraint(shared.requests[request].id, shared.guides)? {
        sampler.constrain(constraint);
    }
    if let Some(make) = shared.processors {
        let own = make(&shared.requests[request], sample);
        own.into_iter().for_each(|processor| sampler.push(processor));
    }
    Ok(sampler)
}

fn empty() -> Completion {
    Completion { finish: Finish::Cancelled, ..Completion::given(Vec::new()) }
}

fn text_error(shared: Shared<'_>, request: usize, sample: usize, source: BoxError) -> SampleError {
    SampleError::Text { request: shared.requests[request].id, sample, source }
}
