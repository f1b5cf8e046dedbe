use crate::DataError;
use crate::text::fold;
use refire_core::{
    BoxError, CoreError, Prompt, Purpose, Request, SamplingParams, Stream, decode_state,
    encode_state,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::HashMap;

/// The prompts a curriculum chooses from, how often it served each, and how to ask.
///
/// ```
/// use refire_core::{Prompt, SamplingParams};
/// use refire_data::Pool;
/// let prompts = (0..3).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// assert_eq!(Pool::new(prompts, 8, SamplingParams::default())?.len(), 3);
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pool {
    prompts: Vec<Prompt>,
    group: usize,
    params: SamplingParams,
    index: HashMap<u64, usize>,
    visits: Vec<u64>,
}

impl Pool {
    /// A pool of prompts with different ids, each to be asked for `group` completions.
    ///
    /// # Errors
    /// When there is no prompt, two share an id, or `group` is 0.
    pub fn new(
        prompts: Vec<Prompt>,
        group: usize,
        params: SamplingParams,
    ) -> Result<Self, DataError> {
        if prompts.is_empty() {
            return Err(DataError::Empty { what: "prompts" });
        }
        if group == 0 {
            return Err(DataError::out_of_range("group", group, "at least 1"));
        }
        let mut index = HashMap::with_capacity(prompts.len());
        for (at, prompt) in prompts.iter().enumerate() {
            if index.insert(prompt.id, at).is_some() {
                return Err(DataError::out_of_range("id", prompt.id, "one prompt only"));
            }
        }
        let visits = vec![0; prompts.len()];
        Ok(Self { prompts, group, params, index, visits })
    }

    /// Number of prompts.
    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Never true: a pool has a prompt.
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// The prompts, by position.
    pub fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    /// Position of a prompt by its id.
    pub fn position(&self, id: u64) -> Option<usize> {
        self.index.get(&id).copied()
    }

    /// How often each prompt was served.
    pub fn visits(&self) -> &[u64] {
        &self.visits
    }

    /// Asks for the prompt at a position.
    pub(crate) fn request(&mut self, at: usize) -> Request {
        self.request_for(at, self.group)
    }

    pub(crate) fn request_for(&mut self, at: usize, n: usize) -> Request {
        let visit = self.visits[at];
        self.visits[at] += 1;
        let (prompt, params) = (self.prompts[at].clone(), self.params.clone());
        Request { prompt, n, visit, params, ..Request::default() }
    }

    /// A text or number in a prompt's `meta`.
    pub(crate) fn meta_text(&self, at: usize, key: &str) -> Option<String> {
        match self.prompts[at].meta.get(key)? {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// Changes with the prompts and their order.
    fn fingerprint(&self) -> u64 {
        self.prompts.iter().fold(self.prompts.len() as u64, |hash, p| fold(hash, p.id))
    }

    /// The pool's visits and a curriculum's memory as state.
    pub(crate) fn save<T: Serialize>(&self, memory: &T) -> Result<Vec<u8>, BoxError> {
        encode_state(&(self.fingerprint(), &self.visits, memory))
    }

    /// Takes back the visits, and returns the memory; nothing is taken where it doesn't fit, for
    /// which `misfit` gives the reason.
    pub(crate) fn load<T: DeserializeOwned>(
        &mut self,
        owner: &'static str,
        state: &[u8],
        misfit: impl FnOnce(&T) -> Option<&'static str>,
    ) -> Result<T, BoxError> {
        let (fingerprint, visits, memory): (u64, Vec<u64>, T) = decode_state(owner, state)?;
        let same = fingerprint == self.fingerprint() && visits.len() == self.visits.len();
        let other = (!same).then_some("it was saved over other prompts");
        if let Some(reason) = other.or_else(|| misfit(&memory)) {
            return Err(CoreError::State { owner, reason: reason.to_owned() }.into());
        }
        self.visits = visits;
        Ok(memory)
    }
}

/// The random draws of a curriculum's `count`-th decision.
pub(crate) fn draws(seed: u64, purpose: &str, count: u64) -> Stream {
    Stream::new(seed, Purpose::named(purpose), 0, 0, 0).at(count << 32)
}
