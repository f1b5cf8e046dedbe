use crate::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a model is asked, with what a reward needs to judge the reply.
///
/// `tokens` are the truth: they are what the model reads. `text` and `messages` are what they were
/// made from, for rewards and logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// Identity within the data set: random draws are keyed by it, so it must not depend on order
    /// or on the run.
    pub id: u64,
    /// Token ids of the rendered prompt.
    pub tokens: Vec<u32>,
    /// The rendered prompt as text.
    #[serde(default)]
    pub text: String,
    /// The chat it was rendered from, if it was one.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// The reference answer, if there is one.
    #[serde(default)]
    pub answer: Option<String>,
    /// Anything else a reward or a curriculum reads: tests, numbers, difficulty.
    #[serde(default)]
    pub meta: Map<String, Value>,
}
