use super::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a tokenizer of whole words: `<s>`, `</s>`, `a`, `b`, and `far` with id 9.
fn folder(post_processor: &Value, config: &Value) -> TempDir {
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    };
    let tokenizer = json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 7}, "direction": "Right", "pad_to_multiple_of": null,
                    "pad_id": 1, "pad_type_id": 0, "pad_token": "</s>"},
        "added_tokens": [special(0, "<s>"), special(1, "</s>")],
        "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": post_processor,
        "decoder": null,
        "model": {"type": "WordLevel", "unk_token": "a",
                  "vocab": {"<s>": 0, "</s>": 1, "a": 2, "b": 3, "far": 9}}
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    dir
}

fn adds_bos() -> Value {
    json!({"type": "TemplateProcessing",
           "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
           "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}})
}

fn open(post_processor: &Value, config: &Value) -> Result<Tokenizer, ModelError> {
    Tokenizer::from_dir(folder(post_processor, config).path())
}

#[test]
fn the_files_truncation_and_padding_are_off() {
    let tokenizer = open(&Value::Null, &json!({})).unwrap();
    assert_eq!(tokenizer.encode("a b a b", true).unwrap(), [2, 3, 2, 3]);
}

#[test]
fn add_bos_token_decides_about_the_first_token() {
    let cases = [
        (Value::Null, Value::Null, vec![2]),
        (Value::Null, json!(true), vec![0, 2]),
        (Value::Null, json!(false), vec![2]),
        (adds_bos(), Value::Null, vec![0, 2]),
        (adds_bos(), json!(true), vec![0, 2]),
        (adds_bos(), json!(false), vec![2]),
    ];
    for (post_processor, add_bos, expected) in cases {
        let config = json!({"bos_token": "<s>", "add_bos_token": add_bos});
        let tokenizer = open(&post_processor, &config).unwrap();
        assert_eq!(tokenizer.encode("a", true).unwrap(), expected, "{post_processor} {add_bos}");
        assert_eq!(tokenizer.encode("a", false).unwrap(), [2]);
        assert_eq!(tokenizer.encode_rendered("<s> a").unwrap(), [0, 2], "one bos, never two");
    }
    let both = json!({"bos_token": "<s>", "eos_token": "</s>", "add_eos_token": true});
    assert_eq!(open(&adds_bos(), &both).unwrap().encode("b", true).unwrap(), [0, 3, 1]);
    let error = open(&Value::Null, &json!({"add_bos_token": true})).unwrap_err().to_string();
    assert!(error.contains("add_bos_token"), "{error}");
}

#[test]
fn special_tokens_are_texts_or_objects_and_have_a_fallback() {
    let config = json!({"bos_token": {"content": "<s>", "lstrip": false, "__type": "AddedToken"},
                        "eos_token": null, "model_max_length": 1e30});
    let dir = folder(&Value::Null, &config);
    let map = json!({"bos_token": "b", "eos_token": {"content": "</s>"}, "pad_token": "far"});
    std::fs::write(dir.path().join("special_tokens_map.json"), map.to_string()).unwrap();
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    let ids = (tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.pad_id());
    assert_eq!(ids, (Some(0), Some(1), Some(9)));
    assert_eq!(tokenizer.special_tokens()["bos_token"], "<s>");
    assert_eq!(tokenizer.model_max_length(), None);
    let limited = open(&Value::Null, &json!({"model_max_length": 2048})).unwrap();
    assert_eq!(limited.model_max_length(), Some(2048));
}

#[test]
fn a_special_token_that_is_not_there_is_an_error() {
    let error = open(&Value::Null, &json!({"eos_token": "<end>"})).unwrap_err().to_string();
    assert!(error.contains("<end>") && error.contains("eos_token"), "{error}");
}

#[test]
fn the_largest_id_counts_and_not_the_number_of_tokens() {
    let tokenizer = open(&Value::Null, &json!({})).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.largest_id()), (5, 9));
    tokenizer.check_fits(10).unwrap();
    let error = tokenizer.check_fits(9).unwrap_err();
    assert!(matches!(error, ModelError::TokenizerTooLarge { largest: 9, rows: 9, .. }));
}

#[test]
fn ids_without_a_token_give_no_text() {
    let tokenizer = open(&Value::Null, &json!({})).unwrap();
    assert_eq!(tokenizer.decode(&[2, 5, u32::MAX, 3], true).unwrap(), "a b");
    assert_eq!(tokenizer.decode(&[0, 2], true).unwrap(), "a");
    assert_eq!(tokenizer.decode(&[0, 2], false).unwrap(), "<s> a");
    let mut stream = tokenizer.stream(true);
    assert_eq!(stream.push(u32::MAX).unwrap(), None);
    assert_eq!(stream.push(3).unwrap().as_deref(), Some("b"));
}

#[test]
fn missing_and_broken_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Tokenizer::from_dir(dir.path()), Err(ModelError::Io { .. })));
    std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    assert!(matches!(Tokenizer::from_dir(dir.path()), Err(ModelError::Tokenizer { .. })));
    let dir = folder(&Value::Null, &json!([]));
    let error = Tokenizer::from_dir(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer_config.json"), "{error}");
}
