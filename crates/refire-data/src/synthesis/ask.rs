use crate::DataError;
use refire_core::{
    BoxError, Completion, Flow, Message, Prompt, Request, Role, RolloutEngine, SamplingParams,
};

/// Renders and tokenises messages.
type Encode<'a> = dyn Fn(&[Message]) -> Result<Vec<u32>, BoxError> + 'a;

/// Asks an engine in messages.
///
/// Every call of [`ask`](Self::ask) is a round of its own in the keys of the draws, so that the same
/// question asked twice gets two answers; the number of rounds is what a resumed run needs.
///
/// ```
/// use refire_core::{BoxError, Message, SamplingParams};
/// use refire_data::Asker;
/// # use refire_core::RolloutEngine;
/// // A model's own encoder renders its chat template.
/// fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
///     Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
/// }
/// # fn with(engine: &mut dyn RolloutEngine) -> Result<(), BoxError> {
/// let mut asker = Asker::new(engine, &encode, SamplingParams::default());
/// let answers: Vec<String> = asker.ask_one(&[(7, "2 + 3?".to_owned())])?;
/// assert_eq!((answers.len(), asker.round()), (1, 1));
/// # Ok(())
/// # }
/// ```
pub struct Asker<'a> {
    engine: &'a mut dyn RolloutEngine,
    encode: &'a Encode<'a>,
    params: SamplingParams,
    round: u64,
}

impl std::fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").field("round", &self.round).finish_non_exhaustive()
    }
}

impl<'a> Asker<'a> {
    /// An asker over an engine; `encode` renders and tokenises messages.
    pub fn new(
        engine: &'a mut dyn RolloutEngine,
        encode: &'a Encode<'a>,
        params: SamplingParams,
    ) -> Self {
        Self { engine, encode, params, round: 0 }
    }

    /// Goes on from a round, as a resumed run does.
    pub fn with_round(mut self, round: u64) -> Self {
        self.round = round;
        self
    }

    /// Rounds asked so far.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// `n` completions for each question (id, messages), in order.
    ///
    /// # Errors
    /// When the encoder or the engine fails, or the engine doesn't return `n` for each question.
    pub fn ask(
        &mut self,
        questions: &[(u64, Vec<Message>)],
        n: usize,
    ) -> Result<Vec<Vec<Completion>>, DataError> {
        let mut requests = Vec::with_capacity(questions.len());
        for (at, (id, messages)) in questions.iter().enumerate() {
            let tokens = (self.encode)(messages)
                .map_err(|source| DataError::Caller { what: "the encoder of prompts", source })?;
            let text = messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n");
            let messages = messages.clone();
            let prompt = Prompt { id: *id, tokens, text, messages, ..Prompt::default() };
            let (visit, params) = (self.round, self.params.clone());
            requests.push(Request {
                id: at as u64,
                prompt,
                n,
                visit,
                params,
                ..Request::default()
            });
        }
        self.round += 1;
        let groups = self
            .engine
            .generate(&requests, &mut |_| Flow::Continue)
            .map_err(|source| DataError::Caller { what: "the engine", source })?;
        let count = |what, found, expected| {
            if found == expected { Ok(()) } else { Err(DataError::Count { what, found, expected }) }
        };
        count("groups of the engine", groups.len(), requests.len())?;
        for group in &groups {
            count("completions of the engine", group.completions.len(), n)?;
        }
        Ok(groups.into_iter().map(|group| group.completions).collect())
    }

    /// One answer a question, as text; empty where it was cut off.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn ask_one(&mut self, questions: &[(u64, String)]) -> Result<Vec<String>, DataError> {
        let user = |(id, text): &(u64, String)| (*id, vec![Message::new(Role::User, text.clone())]);
        let asked: Vec<_> = questions.iter().map(user).collect();
        let answers = self.ask(&asked, 1)?;
        let text = |group: Vec<Completion>| {
            let whole = group.into_iter().next().filter(|completion| !completion.is_truncated());
            whole.map(|completion| completion.text.trim().to_owned()).unwrap_or_default()
        };
        Ok(answers.into_iter().map(text).collect())
    }
}
