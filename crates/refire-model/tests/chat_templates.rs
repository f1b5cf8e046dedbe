//! Chat templates rendered as transformers renders them, byte for byte.

use refire_model::{ChatTemplate, ChatValue, DateTime, RenderOptions};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct File {
    conversations: BTreeMap<String, Conversation>,
    templates: Vec<Template>,
}

#[derive(Deserialize)]
struct Conversation {
    messages: ChatValue,
    tools: Option<ChatValue>,
}

#[derive(Deserialize)]
struct Template {
    name: String,
    template: String,
    special_tokens: BTreeMap<String, String>,
    renders: Vec<Render>,
}

#[derive(Deserialize)]
struct Render {
    conversation: String,
    add_generation_prompt: bool,
    #[serde(default)]
    extra: BTreeMap<String, ChatValue>,
    rendered: Option<String>,
    error: Option<String>,
}

#[test]
fn renders_equal_those_of_transformers() {
    let root = std::env::var_os("REFIRE_TEST_DATA").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).to_path_buf(),
        PathBuf::from,
    );
    let folder = root.join("golden/chat");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no {}", folder.display());
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let (mut checked, mut failures) = (0, Vec::new());
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        let file: File = serde_json::from_str(&text).unwrap();
        for template in &file.templates {
            checked += check(template, &file.conversations, &mut failures);
        }
    }
    println!("{checked} renders, {} differ", failures.len());
    assert!(checked > 0, "no renders in {}", folder.display());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn check(
    template: &Template,
    conversations: &BTreeMap<String, Conversation>,
    failures: &mut Vec<String>,
) -> usize {
    let compiled = match ChatTemplate::new(&template.template) {
        Ok(compiled) => compiled,
        Err(error) => {
            failures.push(format!("{}: {error}", template.name));
            return 0;
        }
    };
    let now = DateTime { year: 2025, month: 1, day: 2, hour: 3, minute: 4, second: 5 };
    let compiled = template
        .special_tokens
        .iter()
        .fold(compiled.with_clock(move || now), |t, (role, text)| t.with_special_token(role, text));
    for render in &template.renders {
        let conversation = &conversations[&render.conversation];
        let options = RenderOptions {
            add_generation_prompt: render.add_generation_prompt,
            tools: conversation.tools.clone(),
            extra: render.extra.clone(),
            ..RenderOptions::default()
        };
        let found = compiled.render_value(&conversation.messages, &options);
        if let Some(difference) = difference(render, found.map_err(|error| error.to_string())) {
            failures.push(format!(
                "{} / {} / prompt {} / {:?}: {difference}",
                template.name, render.conversation, render.add_generation_prompt, render.extra
            ));
        }
    }
    template.renders.len()
}

fn difference(render: &Render, found: Result<String, String>) -> Option<String> {
    match (&render.rendered, &render.error, found) {
        (Some(expected), None, Ok(found)) if *expected == found => None,
        (None, Some(expected), Err(found)) => {
            // What the template itself says must come through; Python's own wording need not.
            let message = expected.strip_prefix("TemplateError: ")?;
            (!found.contains(message)).then(|| format!("expected {expected:?}, found {found:?}"))
        }
        (expected, error, found) => {
            Some(format!("expected\n{expected:?} {error:?}, found\n{found:?}"))
        }
    }
}
