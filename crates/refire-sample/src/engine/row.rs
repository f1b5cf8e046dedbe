use super::plan::Plan;
use crate::stop::{StopMatcher, Stopped};
use crate::{Detokenize, DrawBuffer, Drawn, SampleError, Sampler, TokenContext};
use refire_core::{
    Author, BoxError, Completion, Environment, Finish, Purpose, Request, Stream, Turn,
};
use refire_model::KvCache;

/// A completion in the making.
pub(super) struct Row {
    /// Index of its request, and of the completion within the group.
    pub(super) request: usize,
    pub(super) sample: usize,
    pub(super) cache: Option<KvCache>,
    /// Tokens that the decoder hasn't read.
    pub(super) unread: Vec<u32>,
    pub(super) completion: Completion,
    pub(super) environment: Option<Box<dyn Environment>>,
    /// What the last draw gave, until it is committed.
    pub(super) next: Option<Result<Next, SampleError>>,
    sampler: Sampler,
    stream: Stream,
    stops: Option<StopMatcher>,
    turn_start: usize,
}

/// A token, and whether it ends the turn.
pub(super) struct Next {
    pub(super) drawn: Drawn,
    pub(super) ended: Option<Ended>,
}

pub(super) enum Ended {
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
        let params = &asked.params;
        let (id, visit, first) = (asked.prompt.id, asked.visit, asked.first_sample);
        let mut row = Self {
            request,
            sample,
            cache: None,
            unread: Vec::new(),
            completion: asked.resume.clone().unwrap_or_else(empty),
            environment,
            next: None,
            sampler: Sampler::new(params, &plan.ends),
            stream: Stream::new(params.seed, shared.purpose, visit, id, (first + sample) as u64),
            stops: StopMatcher::new(&params.stop),
            turn_start: 0,
        };
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
        buffer: &mut DrawBuffer,
    ) -> Result<Next, SampleError> {
        let (request, plan) = (&shared.requests[self.request], &shared.plans[self.request]);
        let output = &self.completion.tokens;
        let context = TokenContext { prompt: &request.prompt.tokens, output };
        let position = output.len();
        let uniform = self.stream.clone().at(position as u64).uniform();
        let Some(drawn) = self.sampler.draw(&context, logits, uniform, buffer) else {
            let (request, sample) = (request.id, self.sample);
            return Err(SampleError::NotFinite { request, sample, position });
        };
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
    pub(super) fn push(&mut self, drawn: Drawn, version: u32) {
        let c = &mut self.completion;
        c.tokens.push(drawn.token);
        c.loss_mask.push(true);
        c.model_logprobs.push(drawn.model_logprob);
        c.behaviour_logprobs.push(drawn.behaviour_logprob);
        c.versions.push(version);
        self.unread.push(drawn.token);
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
                (Finish::StopText { text: stop }, Some(before))
            }
            Some(Ended::Limit) => (Finish::Length, None),
            None => (Finish::Cancelled, None),
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

    /// Appends what the environment says, for the decoder to read.
    pub(super) fn append_reply(
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

fn empty() -> Completion {
    Completion {
        tokens: Vec::new(),
        loss_mask: Vec::new(),
        model_logprobs: Vec::new(),
        behaviour_logprobs: Vec::new(),
        versions: Vec::new(),
        turns: Vec::new(),
        text: String::new(),
        finish: Finish::Cancelled,
    }
}

fn text_error(shared: Shared<'_>, request: usize, sample: usize, source: BoxError) -> SampleError {
    SampleError::Text { request: shared.requests[request].id, sample, source }
}
