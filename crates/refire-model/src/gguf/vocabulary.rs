//! The vocabulary of a file, as `tokenizer.json` and `tokenizer_config.json`.

use super::keys::Keys;
use super::{GgufFile, GgufValue, pre, sentencepiece};
use crate::ModelError;
use serde_json::{Map, Value, json};

const PREFIX: &str = "tokenizer.ggml.";

/// What a token is; numbers are the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// All tokens, in the order of their ids.
pub(super) struct Vocabulary {
    pub(super) tokens: Vec<String>,
    pub(super) kinds: Vec<Kind>,
}

/// The files of a Hugging Face folder that have to do with text, by name.
pub(super) fn text_files(file: &GgufFile) -> Result<Vec<(String, String)>, ModelError> {
    let mut keys = Keys::new(file, PREFIX);
    let vocabulary = Vocabulary::read(&mut keys)?;
    let mut tokenizer = tokenizer(&vocabulary, &mut keys)?;
    let config = config(&vocabulary, &mut keys)?;
    tokenizer.insert("post_processor".to_owned(), edges(&config, &vocabulary));
    let mut files = vec![
        ("tokenizer.json".to_owned(), Value::Object(tokenizer).to_string()),
        ("tokenizer_config.json".to_owned(), Value::Object(config).to_string()),
    ];
    files.push(("generation_config.json".to_owned(), generation(&mut keys)?.to_string()));
    files.extend(templates(file)?);
    Ok(files)
}

impl Vocabulary {
    fn read(keys: &mut Keys<'_>) -> Result<Self, ModelError> {
        let text = |value: &GgufValue| value.as_str().map(str::to_owned);
        let tokens = keys.items("tokens", "a list of texts", text)?;
        let kind = |value: &GgufValue| {
            Some(match value.as_usize()? {
                1 => Kind::Normal,
                2 => Kind::Unknown,
                3 => Kind::Control,
                4 => Kind::UserDefined,
                5 => Kind::Unused,
                6 => Kind::Byte,
                _ => return None,
            })
        };
        let kinds = keys.items("token_type", "a list of integers from 1 to 6", kind)?;
        if kinds.len() != tokens.len() {
            let (found, expected) = (kinds.len(), tokens.len());
            return Err(keys.error(
                "token_type",
                format!("a list of {found}"),
                expected.to_string(),
            ));
        }
        Ok(Self { tokens, kinds })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &str, Kind)> {
        let tokens = self.tokens.iter().zip(&self.kinds).enumerate();
        tokens.map(|(id, (token, kind))| (id, token.as_str(), *kind))
    }

    /// Ids by text. Rows of the embedding that no token uses have no text of their own.
    pub(super) fn ids(&self) -> Map<String, Value> {
        let used = self.iter().filter(|(_, _, kind)| *kind != Kind::Unused);
        used.map(|(id, token, _)| (token.to_owned(), json!(id))).collect()
    }

    fn text(&self, id: usize) -> Option<&str> {
        self.tokens.get(id).map(String::as_str)
    }
}

/// `tokenizer.json` without its post-processor.
fn tokenizer(
    vocabulary: &Vocabulary,
    keys: &mut Keys<'_>,
) -> Result<Map<String, Value>, ModelError> {
    let added = vocabulary.iter().filter_map(|(id, token, kind)| {
        let special = match kind {
            Kind::Control | Kind::Unknown => true,
            Kind::UserDefined => false,
            _ => return None,
        };
        Some(json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special,
        }))
    });
    let added: Vec<Value> = added.collect();
    let model = keys.needed_text("model")?;
    let steps = match model {
        "gpt2" => byte_pairs(vocabulary, keys)?,
        "llama" => sentencepiece::steps(vocabulary, keys)?,
        other => return Err(keys.error("model", format!("{other:?}"), "gpt2 or llama")),
    };
    let mut tokenizer = super::config::fields([
        ("version", json!("1.0")),
        ("truncation", Value::Null),
        ("padding", Value::Null),
        ("added_tokens", json!(added)),
    ]);
    tokenizer.extend(steps);
    Ok(tokenizer)
}

/// Byte-level merges, as GPT-2 has them.
fn byte_pairs(
    vocabulary: &Vocabulary,
    keys: &mut Keys<'_>,
) -> Result<Map<String, Value>, ModelError> {
    let name = keys.text("pre")?.unwrap_or("default");
    let pre = pre::find(name)
        .ok_or_else(|| keys.error("pre", format!("{name:?}"), format!("one of {}", pre::KNOWN)))?;
    let pair = |value: &GgufValue| {
        let (left, right) = value.as_str()?.split_once(' ')?;
        Some(json!([left, right]))
    };
    let merges = keys.items("merges", "a list of pairs with a space between", pair)?;
    Ok(super::config::fields([
        ("normalizer", pre.normalizer),
        ("pre_tokenizer", pre.pre_tokenizer),
        (
            "decoder",
            json!({
                "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                "use_regex": true,
            }),
        ),
        (
            "model",
            json!({
                "type": "BPE", "dropout": null, "unk_token": null,
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
                "byte_fallback": false, "ignore_merges": pre.ignore_merges,
                "vocab": vocabulary.ids(), "merges": merges,
            }),
        ),
    ]))
}

/// `tokenizer_config.json`: the special tokens, and which of them stand around a text.
fn config(vocabulary: &Vocabulary, keys: &mut Keys<'_>) -> Result<Map<String, Value>, ModelError> {
    let mut config = super::config::fields([
        ("tokenizer_class", json!("PreTrainedTokenizerFast")),
        ("clean_up_tokenization_spaces", json!(false)),
    ]);
    let roles = [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")];
    for (role, name) in roles {
        let key = format!("{name}_token_id");
        let Some(id) = keys.size(&key)? else { continue };
        let Some(text) = vocabulary.text(id) else {
            let expected = format!("below {}, the number of tokens", vocabulary.tokens.len());
            return Err(keys.error(&key, id.to_string(), expected));
        };
        config.insert(format!("{role}_token"), json!(text));
    }
    // llama.cpp's defaults: texts of SentencePiece begin with a token.
    let sentencepiece = keys.needed_text("model")? == "llama";
    for (role, default) in [("bos", sentencepiece), ("eos", false)] {
        let add = keys.flag(&format!("add_{role}_token"))?.unwrap_or(default);
        config.insert(format!("add_{role}_token"), json!(add));
    }
    Ok(config)
}

/// A post-processor that writes the tokens around a text, for readers that don't look at
/// `tokenizer_config.json`.
fn edges(config: &Map<String, Value>, vocabulary: &Vocabulary) -> Value {
    let edge = |role: &str| {
        let wanted = config.get(&format!("add_{role}_token")) == Some(&Value::Bool(true));
        let text = config.get(&format!("{role}_token"))?.as_str()?;
        let id = vocabulary.tokens.iter().position(|token| token == text)?;
        wanted.then_some((text, id))
    };
    let [bos, eos] = ["bos", "eos"].map(edge);
    if bos.is_none() && eos.is_none() {
        return Value::Null;
    }
    let piece = |(text, _): (&str, usize)| json!({"SpecialToken": {"id": text, "type_id": 0}});
    let around = |name: &str| -> Vec<Value> {
        let text = json!({"Sequence": {"id": name, "type_id": 0}});
        bos.map(piece).into_iter().chain([text]).chain(eos.map(piece)).collect()
    };
    let tokens = [bos, eos].into_iter().flatten();
    let tokens: Map<String, Value> = tokens
        .map(|(text, id)| (text.to_owned(), json!({"id": text, "ids": [id], "tokens": [text]})))
        .collect();
    let pair = [around("A"), around("B")].concat();
    json!({
        "type": "TemplateProcessing", "single": around("A"), "pair": pair,
        "special_tokens": tokens,
    })
}

/// `generation_config.json`; a chat's turn may end with a token of its own.
fn generation(keys: &mut Keys<'_>) -> Result<Value, ModelError> {
    let mut ends: Vec<usize> = Vec::new();
    for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        ends.extend(keys.size(key)?.filter(|id| !ends.contains(id)));
    }
    let mut config = super::config::fields([("eos_token_id", json!(ends))]);
    for (name, key) in [("bos_token_id", "bos_token_id"), ("pad_token_id", "padding_token_id")] {
        if let Some(id) = keys.size(key)? {
            config.insert(name.to_owned(), json!(id));
        }
    }
    Ok(Value::Object(config))
}

/// The chat templates: one, and others by name.
fn templates(file: &GgufFile) -> Result<Vec<(String, String)>, ModelError> {
    const MAIN: &str = "tokenizer.chat_template";
    let mut found = Vec::new();
    for (key, value) in file.metadata().range(MAIN.to_owned()..) {
        let Some(rest) = key.strip_prefix(MAIN) else { break };
        let name = match rest.strip_prefix('.') {
            None if rest.is_empty() => "chat_template.jinja".to_owned(),
            // The list of the names, `chat_templates`.
            None => continue,
            Some(name) => format!("additional_chat_templates/{name}.jinja"),
        };
        let Some(text) = value.as_str() else {
            let keys = Keys::new(file, "");
            return Err(keys.error(key, value.brief(), "a text"));
        };
        found.push((name, text.to_owned()));
    }
    Ok(found)
}
