use super::value::ChatValue;
use std::collections::BTreeMap;

/// What a chat template sees beside the messages.
///
/// ```
/// use refire_model::RenderOptions;
///
/// let mut options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
/// options.extra.insert("enable_thinking".to_owned(), false.into());
/// ```
#[derive(Debug, Clone, Default)]
pub struct RenderOptions {
    /// End with the header of the assistant's next message.
    pub add_generation_prompt: bool,
    /// Tools the model may call, as JSON schemas; `None` in the template when absent.
    pub tools: Option<ChatValue>,
    /// Documents to answer from; `None` in the template when absent.
    pub documents: Option<ChatValue>,
    /// Further variables, such as `enable_thinking`. They win over special tokens of the same
    /// name, and lose against messages, tools, documents and `add_generation_prompt`.
    pub extra: BTreeMap<String, ChatValue>,
    /// Which template to take where a model has several. By default `tool_use` when there are
    /// tools and a template of that name, otherwise `default`.
    pub template: Option<String>,
}
