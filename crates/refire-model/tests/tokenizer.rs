//! The tokenizer of SmolLM2-135M-Instruct against the reference ids. Needs the model's folder in
//! `REFIRE_SMOLLM2`.

use refire_core::BoxError;
use refire_model::{TextCodec, Tokenizer};
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Reference {
    tokenizer_cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

fn smollm2() -> Option<OsString> {
    let dir = std::env::var_os("REFIRE_SMOLLM2");
    if dir.is_none() {
        println!("skipped: REFIRE_SMOLLM2 names no folder");
    }
    dir
}

fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> Result<String, BoxError> {
    let mut stream = tokenizer.stream(false);
    let mut text = String::new();
    for &id in ids {
        text.push_str(&stream.push(id)?.unwrap_or_default());
    }
    Ok(text + &stream.finish()?.unwrap_or_default())
}

#[test]
fn ids_and_texts_equal_the_reference() {
    let root = std::env::var_os("REFIRE_TEST_DATA").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).to_path_buf(),
        PathBuf::from,
    );
    let path = root.join("golden/models/smollm2_reference.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let Some(dir) = smollm2() else { return };
    let tokenizer = Tokenizer::from_dir(dir).unwrap();
    let reference: Reference = serde_json::from_str(&text).unwrap();
    assert!(!reference.tokenizer_cases.is_empty());
    for case in &reference.tokenizer_cases {
        let ids = tokenizer.encode(&case.text, false).unwrap();
        assert_eq!(ids, case.ids, "{:?}", case.text);
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), case.decoded);
        assert_eq!(streamed(&tokenizer, &ids).unwrap(), case.decoded);
    }
}

#[test]
fn the_folders_special_tokens_and_size() {
    let Some(dir) = smollm2() else { return };
    let tokenizer = Tokenizer::from_dir(dir).unwrap();
    let ids = (tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.pad_id());
    assert_eq!(ids, (Some(1), Some(2), Some(2)));
    assert_eq!((tokenizer.vocab_size(), tokenizer.largest_id()), (49_152, 49_151));
    assert_eq!(tokenizer.model_max_length(), Some(8192));
    tokenizer.check_fits(49_152).unwrap();
    assert!(tokenizer.check_fits(49_151).is_err());
    assert_eq!(TextCodec::decode(&tokenizer, &[1, 19_556, 905, 2]).unwrap(), "Hello world");
}

#[test]
fn streaming_any_ids_adds_up_to_decoding_them_at_once() {
    let Some(dir) = smollm2() else { return };
    let tokenizer = Tokenizer::from_dir(dir).unwrap();
    let mut state = 7u64;
    for length in [1usize, 2, 15, 16, 17, 65, 1000] {
        let ids: Vec<u32> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Ids beyond the vocabulary too; every second one from the single bytes.
                if state & (1 << 40) == 0 {
                    (state >> 33) as u32 % 60_000
                } else {
                    17 + (state >> 33) as u32 % 256
                }
            })
            .collect();
        assert_eq!(streamed(&tokenizer, &ids).unwrap(), tokenizer.decode(&ids, false).unwrap());
    }
}
