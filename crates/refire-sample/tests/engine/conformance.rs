//! The engine keeps every promise, and the check sees broken ones.

use crate::common::{engine, engine_with, generate, learner, processors, request};
use refire_core::{
    BoxError, Completion, Finish, Flow, Group, Request, RolloutEngine, RolloutEvent,
    SamplingParams, WeightUpdate,
};
use refire_model::DecodeOn;
use refire_sample::conformance::check;
use refire_sample::{EngineConfig, LocalEngine};

fn requests() -> Vec<Request> {
    let base = SamplingParams { max_tokens: 25, ..Default::default() };
    let many = [
        base.clone(),
        SamplingParams { stop_tokens: (30..60).collect(), ..base.clone() },
        SamplingParams { stop_tokens: (30..60).collect(), min_tokens: 9, ..base.clone() },
        SamplingParams { stop: ('A'..='Z').map(|c| c.to_string()).collect(), ..base.clone() },
        SamplingParams { temperature: 0.6, top_k: Some(5), top_p: Some(0.8), ..base.clone() },
        SamplingParams { temperature: 0.0, ignore_end: true, ..base },
    ];
    many.into_iter().zip(0..).map(|(params, id)| request(id, 5, params)).collect()
}

/// One request for each processor and each preset.
fn all_processors() -> Vec<Request> {
    processors().into_iter().zip(100..).map(|(params, id)| request(id, 3, params)).collect()
}

#[test]
fn the_local_engine_conforms() {
    let learner = learner(64);
    let kinds = [1, 4, 64].map(|slots| (slots, DecodeOn::Cpu));
    for (max_slots, decode_on) in kinds.into_iter().chain([(4, DecodeOn::Device)]) {
        let config = EngineConfig { max_slots, decode_on, ..Default::default() };
        let mut engine = engine_with(&learner, &[0], config);
        let mut requests = [requests(), all_processors()].concat();
        let broken = check(&mut engine, &requests, &[0]).unwrap();
        assert!(broken.is_empty(), "{broken:#?}");
        let mut partial = generate(&mut engine, &[request(9, 1, SamplingParams::greedy(6))]);
        let resume = Some(partial.remove(0).completions.remove(0));
        engine.refresh(&WeightUpdate::InProcess { version: 2 }).unwrap();
        requests.push(Request { resume, ..request(9, 1, SamplingParams::greedy(20)) });
        let broken = check(&mut engine, &requests, &[0]).unwrap();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

/// Spoils what the engine gives.
struct Spoiled(LocalEngine, fn(&mut Vec<Group>));

impl RolloutEngine for Spoiled {
    fn generate(
        &mut self,
        requests: &[Request],
        sink: &mut dyn FnMut(RolloutEvent<'_>) -> Flow,
    ) -> Result<Vec<Group>, BoxError> {
        let mut groups = self.0.generate(requests, sink)?;
        (self.1)(&mut groups);
        Ok(groups)
    }
    fn refresh(&mut self, update: &WeightUpdate<'_>) -> Result<(), BoxError> {
        self.0.refresh(update)
    }
    fn release(&mut self) {
        self.0.release();
    }
    fn weights_version(&self) -> u64 {
        self.0.weights_version()
    }
}

#[test]
fn spoiled_engines_do_not() {
    type Spoil = fn(&mut Vec<Group>);
    let spoilers: [(Spoil, &str); 14] = [
        (|groups| groups.swap(0, 1), "holds another request"),
        (|groups| groups[0].completions.truncate(4), "4 completions instead of 5"),
        (|groups| groups[0].completions.swap(0, 1), "sample 1 differs from its token events"),
        (|groups| first(groups).tokens[0] += 1, "sample 0 differs from its token events"),
        (|groups| first(groups).versions.push(0), "column `versions`"),
        (|groups| first(groups).versions[0] = 1, "another weights version"),
        (|groups| first(groups).loss_mask[0] = false, "a token's mask differs"),
        (|groups| first(groups).model_logprobs[0] = 0.5, "positive"),
        (|groups| first(groups).behaviour_logprobs[0] -= 0.5, "differ in on-policy draws"),
        (
            |groups| groups[5].completions[0].behaviour_logprobs.fill(-0.5),
            "a greedy draw has a behaviour log-probability",
        ),
        (|groups| first(groups).turns[0].end -= 1, "turns don't"),
        (|groups| first(groups).finish = Finish::EndToken { token: 90 }, "not its last"),
        (|groups| first(groups).finish = Finish::StopText { text: "x".into() }, "isn't among"),
        (|groups| groups[3].completions[0].text.push('A'), "its text holds a stop text"),
    ];
    let learner = learner(64);
    for (spoil, what) in spoilers {
        let mut engine = Spoiled(engine(&learner), spoil);
        let broken = check(&mut engine, &requests(), &[0]).unwrap();
        assert!(broken.iter().any(|b| b.contains(what)), "`{what}` isn't in {broken:#?}");
    }
}

fn first(groups: &mut [Group]) -> &mut Completion {
    &mut groups[0].completions[0]
}
