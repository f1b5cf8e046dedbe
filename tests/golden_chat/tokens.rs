//! What becomes of a rendered text: the assistant's part, and tokens.

use crate::Problem;
use crate::reference::{Render, Template};
use refire::model::{ChatTemplate, ChatValue, MarkedText, RenderOptions, Tokenizer};
use serde_json::{Map, Value, json};
use std::path::Path;
use tempfile::TempDir;

/// A folder with the template and a tokenizer of single bytes and the template's special tokens,
/// which begins every text with `bos` when it is asked to add special tokens.
pub(crate) fn folder(template: &Template) -> TempDir {
    let bytes = byte_characters();
    let mut vocab: Map<String, Value> =
        bytes.iter().zip(0..).map(|(c, id)| (c.to_string(), json!(id))).collect();
    let mut texts: Vec<&String> = template.special_tokens.values().collect();
    texts.sort();
    texts.dedup();
    let mut added = Vec::new();
    for (text, id) in texts.iter().zip(256..) {
        vocab.insert((*text).clone(), json!(id));
        added.push(json!({"id": id, "content": text, "single_word": false, "lstrip": false,
                          "rstrip": false, "normalized": false, "special": true}));
    }
    let tokenizer = json!({
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
                          "use_regex": false},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
                    "use_regex": false},
        "model": {"type": "BPE", "vocab": vocab, "merges": []}
    });
    let mut config = json!({"add_bos_token": template.special_tokens.contains_key("bos_token")});
    for (role, text) in &template.special_tokens {
        config[role] = json!(text);
    }
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("tokenizer.json", &tokenizer.to_string());
    write("tokenizer_config.json", &config.to_string());
    write("chat_template.jinja", &template.template);
    dir
}

/// The characters that stand for bytes in byte-level vocabularies.
fn byte_characters() -> Vec<char> {
    let plain = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut others = 256..;
    let character = |byte| if plain(byte) { byte } else { others.next().unwrap() };
    (0..256).map(character).map(|c| char::from_u32(c).unwrap()).collect()
}

/// Checks the assistant's part of a text that was rendered right, and its tokens.
pub(crate) fn check(
    render: &Render,
    chat: &ChatTemplate,
    messages: &ChatValue,
    options: &RenderOptions,
    folder: &Path,
) -> Result<(), Problem> {
    let marked = chat.render_value_marked(messages, options);
    let Some(expected) = &render.assistant_char_spans else {
        // Without marks the answer comes from prefixes, or is refused.
        return marked.map_or(Ok(()), |marked| tokens(&marked, folder));
    };
    let marked = marked.map_err(|error| error.to_string())?;
    let characters = |byte: usize| marked.text[..byte].chars().count();
    let spans = marked.assistant.iter();
    let found: Vec<[usize; 2]> =
        spans.map(|span| [characters(span.start), characters(span.end)]).collect();
    if found != *expected {
        return Err(format!("the assistant wrote {expected:?}, found {found:?}"));
    }
    tokens(&marked, folder)
}

fn tokens(marked: &MarkedText, folder: &Path) -> Result<(), Problem> {
    let tokenizer = Tokenizer::from_dir(folder).unwrap();
    let read = marked.tokenize(&tokenizer).map_err(|error| error.to_string())?;
    let decode = |tokens: &[u32]| tokenizer.decode(tokens, false).unwrap();
    let mut problem = None;
    let mut expect = |right: bool, what: &str| {
        if !right && problem.is_none() {
            problem = Some(what.to_owned());
        }
    };
    expect(decode(&read.tokens) == marked.text, "the tokens aren't those of the text");
    let plain = tokenizer.encode_rendered(&marked.text).unwrap();
    expect(plain == read.tokens, "the marked tokens aren't the plain ones");
    if let (Some(bos), Some(text)) =
        (tokenizer.bos_id(), tokenizer.special_tokens().get("bos_token"))
    {
        let count = read.tokens.iter().filter(|token| **token == bos).count();
        expect(count == marked.text.matches(text.as_str()).count(), "another number of `bos`");
    }
    let learned: Vec<u32> =
        read.tokens.iter().zip(&read.assistant).filter(|(_, a)| **a).map(|(t, _)| *t).collect();
    let spoken: String = marked.assistant.iter().map(|span| &marked.text[span.clone()]).collect();
    expect(decode(&learned) == spoken, "the assistant's tokens aren't those of its text");
    problem.map_or(Ok(()), Err)
}
