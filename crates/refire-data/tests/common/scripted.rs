//! An engine that answers by a script.

use refire_core::{
    BoxError, Completion, Finish, Flow, Group, Message, Request, RolloutEngine, RolloutEvent,
    WeightUpdate,
};

/// Answers by a script from (prompt text, visit, sample); `…` at the end means cut off.
pub(crate) struct Scripted<F>(pub(crate) F, pub(crate) Vec<Request>);

impl<F: FnMut(&str, u64, usize) -> String + Send> RolloutEngine for Scripted<F> {
    fn generate(
        &mut self,
        requests: &[Request],
        _sink: &mut dyn FnMut(RolloutEvent<'_>) -> Flow,
    ) -> Result<Vec<Group>, BoxError> {
        self.1.extend_from_slice(requests);
        let mut one = |request: &Request| {
            let completions = (0..request.n).map(|sample| {
                let text = (self.0)(&request.prompt.text, request.visit, sample);
                let finish = if text.ends_with('…') {
                    Finish::Length
                } else {
                    Finish::EndToken { token: 0 }
                };
                Completion { text, finish, ..Completion::given(Vec::new()) }
            });
            Group { completions: completions.collect(), request: request.clone() }
        };
        Ok(requests.iter().map(&mut one).collect())
    }
    fn refresh(&mut self, _update: &WeightUpdate<'_>) -> Result<(), BoxError> {
        Ok(())
    }
    fn release(&mut self) {}
    fn weights_version(&self) -> u64 {
        0
    }
}

pub(crate) fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
    Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
}
