//! Chat templates rendered as transformers renders them, byte for byte: text, what the assistant
//! wrote, tokens, and what templates raise.
#![allow(clippy::unwrap_used, clippy::panic)]

mod reference;
mod tokens;

use reference::{File, Render, Template};
use refire::model::{ChatTemplate, DateTime, RenderOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is wrong with a render.
type Problem = String;

fn main() -> ExitCode {
    let root = std::env::var_os("REFIRE_TEST_DATA").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).to_path_buf(),
        PathBuf::from,
    );
    let folder = root.join("golden/chat");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no {}", folder.display());
        println!("golden chat: 0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let (mut passed, mut failed) = (0, 0);
    for path in &paths {
        let file: File = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for template in &file.templates {
            for (render, problem) in check(template, &file) {
                match problem {
                    None => passed += 1,
                    Some(problem) => {
                        failed += 1;
                        println!(
                            "{} / {} / prompt {} / {:?}: {problem}\n",
                            template.name,
                            render.conversation,
                            render.add_generation_prompt,
                            render.extra
                        );
                    }
                }
            }
        }
    }
    println!("golden chat: {passed} passed, {failed} failed, 0 skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check<'a>(template: &'a Template, file: &File) -> Vec<(&'a Render, Option<Problem>)> {
    let folder = tokens::folder(template);
    let now = DateTime { year: 2025, month: 1, day: 2, hour: 3, minute: 4, second: 5 };
    let chat = match ChatTemplate::from_dir(folder.path()) {
        Ok(chat) => chat.unwrap().with_clock(move || now),
        Err(error) => {
            let refused = |render| (render, raised(render, &error.to_string()).err());
            return template.renders.iter().map(refused).collect();
        }
    };
    let compare = |render: &'a Render| {
        let conversation = &file.conversations[&render.conversation];
        let options = RenderOptions {
            add_generation_prompt: render.add_generation_prompt,
            tools: conversation.tools.clone(),
            extra: render.extra.clone(),
            ..RenderOptions::default()
        };
        let found = chat.render_value(&conversation.messages, &options);
        let problem = match (&render.rendered, found) {
            (Some(expected), Ok(found)) if *expected == found => {
                tokens::check(render, &chat, &conversation.messages, &options, folder.path())
            }
            (_, Err(found)) => raised(render, &found.to_string()),
            (expected, Ok(found)) => {
                Err(format!("expected\n{expected:?} {:?}, found\n{found:?}", render.error))
            }
        };
        (render, problem.err())
    };
    template.renders.iter().map(compare).collect()
}

/// What the template itself says must come through, and which template it was; Python's own wording
/// need not.
fn raised(render: &Render, found: &str) -> Result<(), Problem> {
    let Some(expected) = &render.error else {
        return Err(format!("expected {:?}, found the error {found:?}", render.rendered));
    };
    let message = expected.strip_prefix("TemplateError: ").unwrap_or_default();
    if found.contains(message) && found.contains("chat template `default`") {
        return Ok(());
    }
    Err(format!("expected the error {expected:?}, found {found:?}"))
}
