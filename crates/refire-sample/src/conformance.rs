//! What every engine promises, as a check that any [`RolloutEngine`] can be put to.

use refire_core::{
    Author, BoxError, Completion, Finish, Flow, Group, Request, RolloutEngine, RolloutEvent,
};
use std::collections::BTreeMap;

/// Runs an engine on `requests`, once to the end and once cancelled at the first token, and lists
/// every promise it breaks; empty if it keeps them all.
///
/// Checked are: groups and samples in order and complete; columns of equal length; events that
/// agree with the completions, one `Finished` each; limits; end tokens last and nowhere else; stop
/// texts cut; masks by author; log-probabilities finite, at most 0, and equal where the draws are
/// on-policy; allowed, suppressed and forced tokens; the version of each new token; turns that
/// cover the tokens.
///
/// `end_tokens` are those that the engine's tokenizer names. Requests must be single-turn.
///
/// ```
/// # use burn::tensor::Device;
/// # use refire_core::{BoxError, Prompt, Request};
/// # use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};
/// # use refire_sample::{Detokenize, EngineConfig, LocalEngine};
/// # struct Letters;
/// # impl Detokenize for Letters {
/// #     fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
/// #         Ok(tokens.iter().filter_map(|t| char::from_u32(*t)).collect())
/// #     }
/// #     fn end_tokens(&self) -> &[u32] {
/// #         &[0]
/// #     }
/// # }
/// # let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// # let learner = Learner::new(decoder, LearnerConfig::default());
/// # let codec = std::sync::Arc::new(Letters);
/// let mut engine = LocalEngine::new(learner.handle(), codec, EngineConfig::default())?;
/// let prompt = Prompt { tokens: vec![1, 2], ..Default::default() };
/// let request = Request { prompt, n: 3, ..Default::default() };
/// let broken = refire_sample::conformance::check(&mut engine, &[request], &[0])?;
/// assert!(broken.is_empty(), "{broken:?}");
/// # Ok::<(), BoxError>(())
/// ```
///
/// # Errors
/// When the engine itself fails.
pub fn check(
    engine: &mut dyn RolloutEngine,
    requests: &[Request],
    end_tokens: &[u32],
) -> Result<Vec<String>, BoxError> {
    let mut broken = Vec::new();
    for flow in [Flow::Continue, Flow::CancelAll] {
        let mut heard = Heard::default();
        let groups = engine.generate(requests, &mut |event| heard.listen(&event, flow))?;
        let version = engine.weights_version();
        let mut found = check_groups(requests, &groups, &heard);
        for (request, group) in requests.iter().zip(&groups) {
            for completion in &group.completions {
                let found = &mut found;
                let mut say = |what: &str| found.push(format!("request {}: {what}", request.id));
                check_columns(request, completion, version, &mut say);
                check_finish(request, completion, end_tokens, flow, &mut say);
                check_tokens(request, completion, &mut say);
            }
        }
        let run = if flow == Flow::Continue { "whole" } else { "cancelled" };
        broken.extend(found.into_iter().map(|what| format!("{run} run, {what}")));
    }
    Ok(broken)
}

/// The events of a call, by request and sample.
#[derive(Default)]
struct Heard {
    tokens: BTreeMap<(usize, usize), Vec<u32>>,
    finished: BTreeMap<(usize, usize), Vec<Completion>>,
    cancelled: bool,
    late: usize,
}

impl Heard {
    fn listen(&mut self, event: &RolloutEvent<'_>, flow: Flow) -> Flow {
        match event {
            RolloutEvent::Token { request, sample, token } => {
                self.late += usize::from(self.cancelled);
                self.tokens.entry((*request, *sample)).or_default().push(*token);
                self.cancelled = flow == Flow::CancelAll;
                return flow;
            }
            RolloutEvent::Written { request, sample, tokens } => {
                self.late += usize::from(self.cancelled);
                self.tokens.entry((*request, *sample)).or_default().extend_from_slice(tokens);
            }
            RolloutEvent::Finished { request, sample, completion } => {
                let key = (*request, *sample);
                self.finished.entry(key).or_default().push((*completion).clone());
            }
            _ => {}
        }
        Flow::Continue
    }
}

fn check_groups(requests: &[Request], groups: &[Group], heard: &Heard) -> Vec<String> {
    let mut broken = Vec::new();
    if groups.len() != requests.len() {
        broken.push(format!("{} groups for {} requests", groups.len(), requests.len()));
    }
    if heard.late > 0 {
        broken.push(format!("{} tokens were reported after the call was cancelled", heard.late));
    }
    for (index, (request, group)) in requests.iter().zip(groups).enumerate() {
        let mut say = |what: String| broken.push(format!("request {}: {what}", request.id));
        if group.request != *request {
            say("its group holds another request".to_owned());
        }
        if group.completions.len() != request.n {
            say(format!("{} completions instead of {}", group.completions.len(), request.n));
        }
        let resumed = request.resume.as_ref().map_or(0, Completion::len);
        for (sample, completion) in group.completions.iter().enumerate() {
            let tokens = heard.tokens.get(&(index, sample)).map_or(&[][..], Vec::as_slice);
            if completion.tokens.get(resumed..) != Some(tokens) {
                say(format!("sample {sample} differs from its token events"));
            }
            match heard.finished.get(&(index, sample)).map(Vec::as_slice) {
                Some([finished]) if finished == completion => {}
                found => say(format!(
                    "sample {sample} has {} finish events, or another completion in it",
                    found.map_or(0, <[_]>::len)
                )),
            }
        }
    }
    broken
}

fn check_columns(request: &Request, c: &Completion, version: u64, say: &mut dyn FnMut(&str)) {
    if let Err(error) = c.validate() {
        return say(&error.to_string());
    }
    let resumed = request.resume.as_ref();
    let old = resumed.map_or(0, Completion::len);
    if resumed.is_some_and(|r| {
        (c.tokens.get(..old), c.versions.get(..old)) != (Some(&r.tokens), Some(&r.versions))
            || c.model_logprobs.get(..old) != Some(&r.model_logprobs)
            || c.behaviour_logprobs.get(..old) != Some(&r.behaviour_logprobs)
    }) {
        return say("the tokens it went on from were changed");
    }
    let authors = c.turns.iter().flat_map(|turn| {
        std::iter::repeat_n(turn.author == Author::Policy, turn.end.saturating_sub(turn.start))
    });
    if !authors.skip(old).eq(c.loss_mask[old..].iter().copied()) {
        say("a token's mask differs from its author");
    }
    if c.versions[old..].iter().any(|v| u64::from(*v) != version) {
        say("a token has another weights version than the engine");
    }
    let pairs = || c.model_logprobs[old..].iter().zip(&c.behaviour_logprobs[old..]);
    if pairs().any(|(a, b)| !(a.is_finite() && b.is_finite() && *a <= 1e-6 && *b <= 1e-6)) {
        say("a log-probability is positive or not finite");
    }
    if request.params.is_on_policy() && pairs().any(|(a, b)| a != b) {
        say("model and behaviour log-probabilities differ in on-policy draws");
    }
    if request.params.temperature == 0.0 && pairs().any(|(_, b)| *b != 0.0) {
        say("a greedy draw has a behaviour log-probability other than 0");
    }
    let mut end = 0;
    for turn in &c.turns {
        if turn.start != end || turn.end <= turn.start {
            say("turns don't follow one another");
        }
        end = turn.end;
    }
    let alone = resumed.is_none() && request.params.budget.is_none();
    if end != c.len() || (alone && c.turns.iter().any(|t| t.author != Author::Policy)) {
        say("turns don't cover the policy's tokens");
    }
}

fn check_finish(
    request: &Request,
    c: &Completion,
    end_tokens: &[u32],
    flow: Flow,
    say: &mut dyn FnMut(&str),
) {
    let params = &request.params;
    let ends =
        |t: &u32| !params.ignore_end && (end_tokens.contains(t) || params.stop_tokens.contains(t));
    if c.len() > params.max_tokens.max(request.resume.as_ref().map_or(0, Completion::len)) {
        say("it is longer than `max_tokens`");
    }
    let drawn = |at: &usize| c.loss_mask.get(*at).copied().unwrap_or_default();
    let first_end = (0..c.len()).filter(drawn).find(|at| ends(&c.tokens[*at]));
    match (&c.finish, first_end) {
        (Finish::EndToken { token }, at) => {
            if c.tokens.last() != Some(token) || at != Some(c.len() - 1) {
                say("its end token is not its last, or not its only one");
            }
            if c.len() <= params.min_tokens {
                say("it ended before `min_tokens`");
            }
        }
        (_, Some(_)) => say("it holds an end token that didn't end it"),
        (Finish::Cancelled, _) if flow == Flow::Continue => say("it was cancelled by nobody"),
        (Finish::Environment, _) => say("an environment ended it, there was none"),
        (Finish::StopText { text }, _) if !params.stop.contains(text) => {
            say("a text ended it that isn't among its stop texts");
        }
        _ => {}
    }
    let cut = match (&c.finish, params.include_stop) {
        (Finish::StopText { text }, true) => match c.text.strip_suffix(text.as_str()) {
            Some(cut) => cut,
            None => return say("its text doesn't end with the stop text"),
        },
        _ => c.text.as_str(),
    };
    let one_turn = c.turns.len() < 2;
    if one_turn && params.stop.iter().any(|stop| cut.contains(stop.as_str())) {
        say("its text holds a stop text");
    }
}

fn check_tokens(request: &Request, c: &Completion, say: &mut dyn FnMut(&str)) {
    let params = &request.params;
    let old = request.resume.as_ref().map_or(0, Completion::len);
    let drawn = |at: &usize| c.loss_mask.get(*at).copied().unwrap_or_default();
    for at in (old..c.len()).filter(drawn) {
        let token = c.tokens[at];
        if params.allowed_tokens.as_ref().is_some_and(|allowed| !allowed.contains(&token)) {
            say("a token isn't among the allowed ones");
        }
        if params.suppress_tokens.contains(&token) {
            say("a suppressed token was drawn");
        }
        if params.forced_tokens.get(at).is_some_and(|forced| *forced != token) {
            say("a forced token is missing");
        }
        if params.bad_words.iter().any(|word| word.len() > 1 && c.tokens[..=at].ends_with(word)) {
            say("a bad word was completed");
        }
    }
}
