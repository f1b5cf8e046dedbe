//! What the peer's renderer gave.

use refire::model::ChatValue;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub(crate) struct File {
    pub(crate) conversations: BTreeMap<String, Conversation>,
    pub(crate) templates: Vec<Template>,
}

#[derive(Deserialize)]
pub(crate) struct Conversation {
    pub(crate) messages: ChatValue,
    pub(crate) tools: Option<ChatValue>,
}

#[derive(Deserialize)]
pub(crate) struct Template {
    pub(crate) name: String,
    pub(crate) template: String,
    pub(crate) special_tokens: BTreeMap<String, String>,
    pub(crate) renders: Vec<Render>,
}

#[derive(Deserialize)]
pub(crate) struct Render {
    pub(crate) conversation: String,
    pub(crate) add_generation_prompt: bool,
    #[serde(default)]
    pub(crate) extra: BTreeMap<String, ChatValue>,
    pub(crate) rendered: Option<String>,
    pub(crate) error: Option<String>,
    /// Characters of the text that the assistant wrote.
    pub(crate) assistant_char_spans: Option<Vec<[usize; 2]>>,
}
