use crate::DataError;
use refire_core::{Purpose, Stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A prompt with places to fill in, `{name}`; `{{` and `}}` are braces.
///
/// ```
/// use refire_data::Template;
/// let template = Template::new("Q: {question}\nAnswer in {{}}.")?;
/// assert_eq!(template.fill(&[("question", "2 + 3?")])?, "Q: 2 + 3?\nAnswer in {}.");
/// assert!(template.fill(&[]).is_err());
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Text, and the name of the place behind it.
    parts: Vec<(String, Option<String>)>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// For a brace that isn't closed, or closed without being open.
    pub fn new(text: &str) -> Result<Self, DataError> {
        let bad = |value: &str| DataError::out_of_range("template", value, "paired braces");
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let behind = &rest[at..];
            if let Some(next) = behind.strip_prefix("{{") {
                plain.push('{');
                rest = next;
            } else if let Some(next) = behind.strip_prefix("}}") {
                plain.push('}');
                rest = next;
            } else {
                let (name, next) = behind
                    .strip_prefix('{')
                    .and_then(|inner| inner.split_once('}'))
                    .ok_or_else(|| bad(text))?;
                parts.push((std::mem::take(&mut plain), Some(name.to_owned())));
                rest = next;
            }
        }
        plain.push_str(rest);
        parts.push((plain, None));
        Ok(Self { parts })
    }

    /// The text with every place filled.
    ///
    /// # Errors
    /// Names a place that nothing was given for.
    pub fn fill(&self, values: &[(&str, &str)]) -> Result<String, DataError> {
        let mut text = String::new();
        for (plain, name) in &self.parts {
            text.push_str(plain);
            if let Some(name) = name {
                let value = values.iter().find(|(known, _)| known == name);
                let missing = || DataError::out_of_range("template", name, "a place with a value");
                text.push_str(value.ok_or_else(missing)?.1);
            }
        }
        Ok(text)
    }
}

/// Several wordings of one instruction, and other names for its labels: each example is asked in a
/// drawn one, so that a policy learns the task and not the prompt. Some wordings can be held out to
/// see whether it did.
///
/// ```
/// use refire_data::TemplatePool;
/// let wordings = ["{text} Is that [yes] or [no]?", "Is it so? {text}", "Judge: {text}"];
/// let names = [("yes", "true"), ("no", "false")].map(|(label, name)| (label.into(), name.into()));
/// let pool = TemplatePool::new(&wordings, 1, vec![names.into()], 0)?;
/// let (prompt, label) = pool.render(7, 0, &[("text", "Ice is cold.")], "yes")?;
/// assert!(prompt.contains("Ice is cold.") && label == "true");
/// let (held_out, _) = pool.render_held_out(7, &[("text", "Ice is cold.")], "yes")?;
/// assert_eq!(held_out, "Judge: Ice is cold.");
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TemplatePool {
    templates: Vec<Template>,
    held_out: usize,
    labels: Vec<BTreeMap<String, String>>,
    seed: u64,
}

/// Which wordings to draw from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Training,
    HeldOut,
}

impl TemplatePool {
    /// A pool whose last `held_out` templates are for evaluation alone; `labels` are maps from a
    /// label to its name, one of which is drawn for each example (none: labels stay).
    ///
    /// # Errors
    /// When no template is left for training, or one can't be read.
    pub fn new(
        templates: &[&str],
        held_out: usize,
        labels: Vec<BTreeMap<String, String>>,
        seed: u64,
    ) -> Result<Self, DataError> {
        let templates =
            templates.iter().map(|t| Template::new(t)).collect::<Result<Vec<_>, _>>()?;
        if held_out >= templates.len() {
            return Err(DataError::Empty { what: "templates for training" });
        }
        Ok(Self { templates, held_out, labels, seed })
    }

    /// The prompt and the label of an example, by its id and visit: the same each time, another one
    /// each epoch.
    ///
    /// # Errors
    /// When a template has a place that nothing was given for.
    pub fn render(
        &self,
        id: u64,
        visit: u64,
        values: &[(&str, &str)],
        label: &str,
    ) -> Result<(String, String), DataError> {
        self.render_from(Part::Training, id, visit, values, label)
    }

    /// As [`render`](Self::render), with the held-out templates.
    ///
    /// # Errors
    /// When there are none, or one has a place that nothing was given for.
    pub fn render_held_out(
        &self,
        id: u64,
        values: &[(&str, &str)],
        label: &str,
    ) -> Result<(String, String), DataError> {
        self.render_from(Part::HeldOut, id, 0, values, label)
    }

    fn render_from(
        &self,
        part: Part,
        id: u64,
        visit: u64,
        values: &[(&str, &str)],
        label: &str,
    ) -> Result<(String, String), DataError> {
        let (training, held_out) = self.templates.split_at(self.templates.len() - self.held_out);
        let from = if part == Part::Training { training } else { held_out };
        if from.is_empty() {
            return Err(DataError::Empty { what: "held-out templates" });
        }
        let mut draw = Stream::new(self.seed, Purpose::named("template"), visit, id, part as u64);
        let template = &from[draw.below(from.len())];
        let names = self.labels.get(draw.below(self.labels.len()));
        let named = names.and_then(|names| names.get(label)).map_or(label, String::as_str);
        let mut prompt = template.fill(values)?;
        // Labels that the question itself lists are named as the answer is.
        for (label, name) in names.into_iter().flatten() {
            prompt = prompt.replace(&format!("[{label}]"), name);
        }
        Ok((prompt, named.to_owned()))
    }
}
