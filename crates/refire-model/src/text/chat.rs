mod clock;
mod conversation;
mod environment;
mod filters;
mod json;
mod methods;
mod options;
mod prepare;
mod python;
mod source;
mod tracker;
mod value;

pub use clock::DateTime;
pub use conversation::MarkedText;
pub use options::RenderOptions;
pub use value::ChatValue;

use self::environment::Clock;
use self::tracker::Tracker;
use crate::ModelError;
use minijinja::{Environment, Value};
use refire_core::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// The template used when none is asked for.
const DEFAULT: &str = "default";
/// The template that transformers prefers when there are tools.
const TOOL_USE: &str = "tool_use";

/// The chat template of a model: turns messages into the text the model was trained on.
///
/// Renders what transformers' `apply_chat_template` renders: `trim_blocks` and `lstrip_blocks`,
/// loop controls, Python's string and dict methods, its `str()` of values, `tojson` with Python's
/// spacing, `raise_exception`, `strftime_now`, and `{% generation %}` blocks, from which
/// [`render_marked`](Self::render_marked) tells what the assistant wrote. Known departures: `~` writes a dict or list with double quotes, a loop over
/// `None` runs zero times where Python fails, and `%` between a text and values, `[][::-1]` and the
/// filter `truncate` fail.
///
/// ```
/// use refire_core::{Message, Role};
/// use refire_model::{ChatTemplate, RenderOptions};
///
/// let template = ChatTemplate::new(
///     "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{{ eos_token }}{% endfor %}\
///      {% if add_generation_prompt %}<assistant>{% endif %}",
/// )?
/// .with_special_token("eos_token", "</s>");
/// let messages = [Message::new(Role::User, " 2 + 3? ")];
/// let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
/// assert_eq!(template.render(&messages, &options)?, "<user>2 + 3?</s><assistant>");
/// # Ok::<(), refire_model::ModelError>(())
/// ```
#[derive(Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    names: Vec<String>,
    /// Templates with generation blocks.
    marking: BTreeSet<String>,
    special_tokens: BTreeMap<String, String>,
}

impl ChatTemplate {
    /// A template from its source.
    ///
    /// # Errors
    /// [`ModelError::ChatTemplate`] when it can't be compiled.
    pub fn new(source: &str) -> Result<Self, ModelError> {
        Self::from_sources([(DEFAULT.to_owned(), source.to_owned())])
    }

    /// Several templates by name; `default` is the one used when none is asked for.
    ///
    /// # Errors
    /// [`ModelError::ChatTemplate`] when one can't be compiled.
    pub fn from_sources(
        sources: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ModelError> {
        let mut environment = environment::environment().map_err(|e| failed(DEFAULT, &e))?;
        let (mut names, mut marking) = (Vec::new(), BTreeSet::new());
        for (name, source) in sources {
            let source = prepare::prepare(&source);
            if prepare::marks_generation(&source) {
                marking.insert(name.clone());
            }
            let added = environment.add_template_owned(name.clone(), source);
            added.map_err(|e| failed(&name, &e))?;
            names.push(name);
        }
        let environment = Arc::new(environment);
        Ok(Self { environment, names, marking, special_tokens: BTreeMap::new() })
    }

    /// The templates and special tokens of a Hugging Face folder; `None` when it has no template.
    ///
    /// `chat_template.jinja` wins over `chat_template` in `tokenizer_config.json`, which is a text
    /// or a list of `{name, template}`. `additional_chat_templates/NAME.jinja` adds named ones.
    ///
    /// # Errors
    /// [`ModelError::Io`] and [`ModelError::Json`] for files that can't be read,
    /// [`ModelError::ChatTemplate`] when a template can't be compiled.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Option<Self>, ModelError> {
        let dir = dir.as_ref();
        let sources = source::from_dir(dir)?;
        if sources.is_empty() {
            return Ok(None);
        }
        let mut template = Self::from_sources(sources)?;
        template.special_tokens = super::special::TokenizerConfig::from_dir(dir)?.roles;
        Ok(Some(template))
    }

    /// Sets a special token that the template may name, such as `bos_token`.
    #[must_use]
    pub fn with_special_token(mut self, role: &str, text: &str) -> Self {
        self.special_tokens.insert(role.to_owned(), text.to_owned());
        self
    }

    /// Sets the clock behind `strftime_now`, which by default is the system's time in UTC.
    /// (transformers takes local time.)
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> DateTime + Send + Sync + 'static) -> Self {
        let clock: Clock = Arc::new(now);
        environment::set_clock(Arc::make_mut(&mut self.environment), clock);
        self
    }

    /// Names of the templates.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The special tokens that the templates see, by role.
    pub fn special_tokens(&self) -> &BTreeMap<String, String> {
        &self.special_tokens
    }

    /// Renders messages. Tool calls get the shape templates expect:
    /// `{type: "function", id, function: {name, arguments}}`.
    ///
    /// # Errors
    /// [`ModelError::ChatTemplate`] when the template raises an exception, an operation in it
    /// fails, or `options` name a template that isn't there.
    pub fn render(
        &self,
        messages: &[Message],
        options: &RenderOptions,
    ) -> Result<String, ModelError> {
        self.render_value(&ChatValue::from(messages), options)
    }

    /// Renders messages of any shape, such as ones with images or with reasoning in a field of
    /// its own.
    ///
    /// ```
    /// use refire_model::{ChatTemplate, ChatValue, RenderOptions};
    ///
    /// let template = ChatTemplate::new("{{ messages[0]['reasoning'] | tojson }}")?;
    /// let messages: ChatValue = r#"[{"role": "assistant", "reasoning": {"b": 1, "a": [2]}}]"#.parse()?;
    /// let text = template.render_value(&messages, &RenderOptions::default())?;
    /// assert_eq!(text, r#"{"b": 1, "a": [2]}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`render`](Self::render).
    pub fn render_value(
        &self,
        messages: &ChatValue,
        options: &RenderOptions,
    ) -> Result<String, ModelError> {
        Ok(self.run(self.select(options)?, messages, options)?.0)
    }

    /// The text, and the places of its generation blocks in bytes.
    fn run(
        &self,
        name: &str,
        messages: &ChatValue,
        options: &RenderOptions,
    ) -> Result<(String, Vec<Range<usize>>), ModelError> {
        let template = self.environment.get_template(name).map_err(|e| failed(name, &e))?;
        let tracker = Tracker::default();
        let context = self.context(messages, options, &tracker);
        // minijinja 3.0 indexes out of bounds for `[][::-1]`.
        let rendered = catch_unwind(AssertUnwindSafe(|| {
            template.render_captured_to(context, tracker.clone()).map(|_| ())
        }));
        rendered
            .map_err(|_| reason(name, "an operation failed inside the template engine".to_owned()))?
            .map_err(|e| failed(name, &e))?;
        Ok(tracker.finish())
    }

    /// Whether a template says itself what the assistant wrote.
    fn marks_assistant(&self, name: &str) -> bool {
        self.marking.contains(name)
    }

    fn select<'a>(&'a self, options: &'a RenderOptions) -> Result<&'a str, ModelError> {
        let has = |name: &str| self.names.iter().any(|n| n == name);
        let name = match &options.template {
            Some(name) => name.as_str(),
            None if options.tools.is_some() && has(TOOL_USE) => TOOL_USE,
            None => DEFAULT,
        };
        if has(name) {
            return Ok(name);
        }
        Err(reason(name, format!("there is no such template, only {:?}", self.names)))
    }

    fn context(&self, messages: &ChatValue, options: &RenderOptions, tracker: &Tracker) -> Value {
        let mut context: BTreeMap<&str, Value> = BTreeMap::new();
        for (role, text) in &self.special_tokens {
            context.insert(role, Value::from(text.as_str()));
        }
        for (name, value) in &options.extra {
            context.insert(name, value.0.clone());
        }
        let optional = |v: &Option<ChatValue>| v.as_ref().map_or(Value::from(()), |v| v.0.clone());
        context.extend(tracker.functions());
        context.insert("messages", messages.0.clone());
        context.insert("tools", optional(&options.tools));
        context.insert("documents", optional(&options.documents));
        context.insert("add_generation_prompt", Value::from(options.add_generation_prompt));
        Value::from_pairs(context)
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("names", &self.names)
            .field("special_tokens", &self.special_tokens)
            .finish_non_exhaustive()
    }
}

fn failed(template: &str, error: &minijinja::Error) -> ModelError {
    reason(template, error.to_string())
}

fn reason(template: &str, reason: String) -> ModelError {
    ModelError::ChatTemplate { template: template.to_owned(), reason }
}

#[cfg(test)]
mod tests;
