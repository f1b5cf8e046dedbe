//! Where a folder keeps its chat templates.

use crate::ModelError;
use crate::text::{read_json, read_text};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

#[derive(Default, Deserialize)]
struct Config {
    chat_template: Option<Templates>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of {name, template}")]
enum Templates {
    One(String),
    Many(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

/// Template sources by name, empty when the folder has none.
pub(super) fn from_dir(dir: &Path) -> Result<BTreeMap<String, String>, ModelError> {
    let mut sources = BTreeMap::new();
    if let Some(text) = read_text(&dir.join("chat_template.jinja"))? {
        sources.insert(super::DEFAULT.to_owned(), text);
        additional(&dir.join("additional_chat_templates"), &mut sources)?;
        return Ok(sources);
    }
    let config: Config = read_json(&dir.join("tokenizer_config.json"))?.unwrap_or_default();
    match config.chat_template {
        Some(Templates::One(text)) => drop(sources.insert(super::DEFAULT.to_owned(), text)),
        Some(Templates::Many(many)) => {
            sources.extend(many.into_iter().map(|named| (named.name, named.template)));
        }
        None => {}
    }
    additional(&dir.join("additional_chat_templates"), &mut sources)?;
    Ok(sources)
}

fn additional(dir: &Path, sources: &mut BTreeMap<String, String>) -> Result<(), ModelError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ModelError::io(dir)(error)),
    };
    for entry in entries {
        let path = entry.map_err(ModelError::io(dir))?.path();
        if path.extension().is_none_or(|extension| extension != "jinja") {
            continue;
        }
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            && let Some(text) = read_text(&path)?
        {
            sources.insert(name.to_owned(), text);
        }
    }
    Ok(())
}
