use super::*;
use crate::{ModelError, Pretrained, Rope, RopeScaling};
use burn::tensor::Tensor;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A small file under construction.
#[derive(Clone, Default)]
struct Writer {
    keys: Vec<(String, Vec<u8>)>,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat()
}

fn kind(number: u32, value: &[u8]) -> Vec<u8> {
    [&number.to_le_bytes()[..], value].concat()
}

fn list(number: u32, values: &[Vec<u8>]) -> Vec<u8> {
    let count = (values.len() as u64).to_le_bytes();
    kind(9, &[&number.to_le_bytes()[..], &count[..], &values.concat()].concat())
}

impl Writer {
    fn key(mut self, key: &str, value: Vec<u8>) -> Self {
        self.keys.retain(|(known, _)| known != key);
        self.keys.push((key.to_owned(), value));
        self
    }

    fn size(self, key: &str, value: u32) -> Self {
        self.key(key, kind(4, &value.to_le_bytes()))
    }

    fn float(self, key: &str, value: f32) -> Self {
        self.key(key, kind(6, &value.to_le_bytes()))
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.key(key, kind(8, &text(value)))
    }

    fn texts(self, key: &str, values: &[&str]) -> Self {
        self.key(key, list(8, &values.iter().map(|value| text(value)).collect::<Vec<_>>()))
    }

    fn tensor(mut self, name: &str, shape: &[usize]) -> Self {
        let count = shape.iter().product();
        let values = (0..count).map(|i| ((i * 37 + name.len()) % 101) as f32 / 50.0 - 1.0);
        self.tensors.push((name.to_owned(), shape.to_vec(), values.collect()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            bytes.extend(text(key));
            bytes.extend(value);
        }
        let mut data = Vec::new();
        for (name, shape, values) in &self.tensors {
            bytes.extend(text(name));
            bytes.extend((shape.len() as u32).to_le_bytes());
            shape.iter().rev().for_each(|n| bytes.extend((*n as u64).to_le_bytes()));
            bytes.extend(0_u32.to_le_bytes());
            bytes.extend((data.len() as u64).to_le_bytes());
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            data.resize(data.len().next_multiple_of(32), 0);
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        [bytes, data].concat()
    }

    fn save(&self) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tiny.gguf");
        std::fs::write(&path, self.bytes()).expect("written");
        (dir, path)
    }

    fn open(&self) -> Result<GgufFile, ModelError> {
        GgufFile::open(&self.save().1)
    }

    fn config(&self) -> Result<ModelConfig, String> {
        self.open().and_then(|file| file.config()).map_err(|error| error.to_string())
    }

    /// The error names the file and contains all parts.
    fn refused(&self, parts: &[&str]) {
        let (_dir, path) = self.save();
        let error = Pretrained::open(&path, &Device::flex()).expect_err("refused").to_string();
        assert!(error.contains("tiny.gguf"), "{error}");
        for part in parts {
            assert!(error.contains(part), "`{part}` in: {error}");
        }
    }
}

const TOKENS: [&str; 8] = ["<s>", "</s>", "a", "b", "Ġ", "ab", "Ġab", "[PAD7]"];

/// A model of one layer.
fn tiny() -> Writer {
    let writer = Writer::default()
        .text("general.architecture", "llama")
        .size("llama.block_count", 1)
        .size("llama.context_length", 64)
        .size("llama.embedding_length", 8)
        .size("llama.feed_forward_length", 6)
        .size("llama.attention.head_count", 2)
        .size("llama.attention.head_count_kv", 1)
        .size("llama.rope.dimension_count", 4)
        .float("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &TOKENS)
        .texts("tokenizer.ggml.merges", &["a b", "Ġ ab"])
        .size("tokenizer.ggml.bos_token_id", 0)
        .size("tokenizer.ggml.eos_token_id", 1)
        .text("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}");
    let kinds = [3_i32, 3, 1, 1, 1, 1, 1, 5].map(|kind| kind.to_le_bytes().to_vec());
    let writer = writer.key("tokenizer.ggml.token_type", list(5, &kinds));
    let writer = writer.tensor("token_embd.weight", &[8, 8]).tensor("output_norm.weight", &[8]);
    [
        ("attn_norm", vec![8]),
        ("ffn_norm", vec![8]),
        ("attn_q", vec![8, 8]),
        ("attn_k", vec![4, 8]),
        ("attn_v", vec![4, 8]),
        ("attn_output", vec![8, 8]),
        ("ffn_gate", vec![6, 8]),
        ("ffn_up", vec![6, 8]),
        ("ffn_down", vec![8, 6]),
    ]
    .iter()
    .fold(writer, |writer, (name, shape)| writer.tensor(&format!("blk.0.{name}.weight"), shape))
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[test]
fn a_file_opens_like_a_folder_and_is_written_as_one() {
    let (dir, path) = tiny().save();
    let model = Pretrained::open(&path, &Device::flex()).expect("opened");
    let config = &model.decoder.config;
    assert_eq!((config.vocab_size, config.rms_norm_eps, config.head_dim), (8, 1e-5, 4));
    assert!(config.tie_word_embeddings && model.end_tokens() == [1]);
    assert_eq!(model.tokenizer.encode("ab ab", true).expect("encoded"), [5, 6]);
    assert_eq!(model.tokenizer.largest_id(), 6, "an unused row has no token");
    let message = [refire_core::Message::new(refire_core::Role::User, "ab")];
    let chat = model.chat.as_ref().expect("a template");
    assert_eq!(chat.render(&message, &Default::default()).expect("rendered"), "<s>ab");

    let out = dir.path().join("folder");
    let learner = model.learner(crate::LearnerConfig::default());
    refire_objective::Policy::export(&learner, &out, Dtype::F32).expect("written");
    let again = Pretrained::open(&out, &Device::flex()).expect("opened");
    assert_eq!(again.tokenizer.encode("ab ab", true).expect("encoded"), [5, 6]);
    assert!(again.chat.is_some() && again.end_tokens() == [1]);
    let logits = |model: &Pretrained| values(model.decoder.logits(&[2, 5, 6]).expect("read"));
    assert_eq!(logits(&again), logits(&model));
}

#[test]
fn rows_of_queries_and_keys_are_put_back_in_order() {
    let file = tiny().open().expect("opened");
    let config = file.config().expect("a configuration");
    let decoder = file.decoder(&config, &Device::flex(), Dtype::F32).expect("weights");
    let attention = &decoder.model.layers[0].self_attn;
    // Of a head of four rows, 0 and 2 are the first half, 1 and 3 the second.
    for (projection, name, rows) in [
        (&attention.q_proj, "blk.0.attn_q.weight", vec![0, 2, 1, 3, 4, 6, 5, 7]),
        (&attention.k_proj, "blk.0.attn_k.weight", vec![0, 2, 1, 3]),
        (&attention.v_proj, "blk.0.attn_v.weight", vec![0, 1, 2, 3]),
    ] {
        let stored = file.values(name).expect("there");
        let expected: Vec<f32> =
            rows.iter().flat_map(|row| &stored[row * 8..][..8]).copied().collect();
        let ours = values(projection.as_ref().expect("there").weight.val());
        assert_eq!(ours, expected, "{name}");
    }
    let half = file.decoder(&config, &Device::flex(), Dtype::Bf16).expect("weights");
    assert_eq!(half.head_weight().dtype(), burn::tensor::DType::BF16);
}

#[test]
fn a_file_that_ends_anywhere_is_an_error_and_no_panic() {
    let bytes = tiny().bytes();
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cut.gguf");
    for end in (0..bytes.len() - 32).step_by(7) {
        std::fs::write(&path, &bytes[..end]).expect("written");
        let error = GgufFile::open(&path).expect_err("cut").to_string();
        assert!(error.contains("cut.gguf") && error.contains("GGUF"), "{error}");
    }
    // Any one byte of the head changed is read or refused.
    for at in 0..1200 {
        let mut changed = bytes.clone();
        changed[at] ^= 0xff;
        std::fs::write(&path, &changed).expect("written");
        if let Ok(file) = GgufFile::open(&path) {
            let _ = (file.config(), file.text_files());
        }
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let plain = tiny();
    for (writer, parts) in [
        (
            plain.clone().text("general.architecture", "mamba"),
            &["architecture", "mamba", "qwen3moe"][..],
        ),
        (plain.clone().size("llama.expert_count", 8), &["llama.expert_count", "8"]),
        (plain.clone().float("llama.logit_scale", 0.5), &["llama.logit_scale", "no such key"]),
        (plain.clone().size("llama.attention.sliding_window", 16), &["sliding_window", "16"]),
        (plain.clone().text("llama.rope.scaling.type", "spiral"), &["rope.scaling.type", "spiral"]),
        (
            plain.clone().text("llama.rope.scaling.type", "yarn"),
            &["rope.scaling.factor", "missing"],
        ),
        (plain.clone().size("llama.rope.dimension_count", 2), &["rope.dimension_count", "2"]),
        (plain.clone().text("llama.block_count", "1"), &["llama.block_count", "integer"]),
        (plain.clone().text("tokenizer.ggml.model", "bert"), &["tokenizer.ggml.model", "bert"]),
        (plain.clone().text("tokenizer.ggml.pre", "default"), &["tokenizer.ggml.pre", "smollm"]),
        (plain.clone().size("tokenizer.ggml.bos_token_id", 9), &["bos_token_id", "9", "below 8"]),
        (plain.clone().size("split.count", 3), &["one of 3 parts"]),
        (plain.clone().tensor("blk.0.attn_q.bias", &[8]), &["blk.0.attn_q.bias", "not part of"]),
        (plain.clone().size("llama.feed_forward_length", 5), &["ffn_gate", "[6, 8]", "[5, 8]"]),
        (plain.clone().size("llama.block_count", 2), &["blk.1.", "missing"]),
    ] {
        writer.refused(parts);
    }
    let mut bytes = plain.bytes();
    let at = bytes.windows(17).position(|w| w == b"token_embd.weight").expect("there") + 17 + 20;
    bytes[at] = 10;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tiny.gguf");
    std::fs::write(&path, &bytes).expect("written");
    let error = GgufFile::open(&path).expect_err("refused").to_string();
    assert!(error.contains("token_embd.weight") && error.contains("type 10"), "{error}");
    assert!(error.contains("Q4_K"), "{error}");
}

#[test]
fn positions_are_stretched_as_the_file_says() {
    let rope = |writer: Writer| {
        writer.config().expect("a configuration").layers[0].rope.clone().expect("rotated")
    };
    let linear = rope(tiny().float("llama.rope.scaling.factor", 4.0));
    assert_eq!(linear.scaling, RopeScaling::Linear { factor: 4.0 });
    assert_eq!(rope(tiny().float("llama.rope.freq_base", 5e5)).theta, 5e5);
    let yarn = tiny()
        .text("llama.rope.scaling.type", "yarn")
        .float("llama.rope.scaling.factor", 4.0)
        .size("llama.rope.scaling.original_context_length", 16);
    let yarn = rope(yarn);
    assert!((yarn.attention_factor() - (0.1 * 4.0_f64.ln() + 1.0)).abs() < 1e-12);
    // Divisors of Llama 3 are recognised, others kept as they are.
    let with = |divisors: Vec<f32>| {
        let mut writer = tiny();
        writer.tensors.push(("rope_freqs.weight".to_owned(), vec![2], divisors));
        rope(writer)
    };
    assert!(matches!(with(vec![1.0, 1.0]).scaling, RopeScaling::Llama3 { factor: 1.0, .. }));
    let other = with(vec![1.5, 3.0]);
    let plain = Rope::new(10_000.0).frequencies(4, 1);
    for (frequency, expected) in
        other.frequencies(4, 1).iter().zip([plain[0] / 1.5, plain[1] / 3.0])
    {
        assert!((frequency - expected).abs() < 1e-12);
    }
    assert_eq!(other.attention_factor(), 1.0);
}

#[test]
fn pieces_of_sentencepiece_are_merged_by_their_scores() {
    let pieces = ["<unk>", "<s>", "</s>", "<0x61>", "▁", "a", "b", "ab", "▁a", "▁ab"];
    let scores: [f32; 10] = [0.0, 0.0, 0.0, 0.0, -5.0, -6.0, -7.0, -2.0, -1.0, -3.0];
    let kinds = [2_i32, 3, 3, 6, 1, 1, 1, 1, 1, 1].map(|kind| kind.to_le_bytes().to_vec());
    let scores = scores.map(|score| score.to_le_bytes().to_vec());
    let mut writer = tiny()
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &pieces)
        .key("tokenizer.ggml.token_type", list(5, &kinds))
        .key("tokenizer.ggml.scores", list(6, &scores))
        .size("tokenizer.ggml.bos_token_id", 1)
        .size("tokenizer.ggml.eos_token_id", 2);
    writer.tensors.retain(|(name, ..)| name != "token_embd.weight");
    let writer = writer.tensor("token_embd.weight", &[10, 8]);
    let (_dir, path) = writer.save();
    let model = Pretrained::open(&path, &Device::flex()).expect("opened");
    // `▁a` has the best score, so `▁ab` is made of it; a text begins with a token.
    assert_eq!(model.tokenizer.encode("ab", true).expect("encoded"), [1, 9]);
    assert_eq!(model.tokenizer.encode("ab", false).expect("encoded"), [9]);
    assert_eq!(model.tokenizer.decode(&[1, 9, 7, 3], true).expect("decoded"), "ababa");
}

/// A file of some version by its head alone.
#[test]
fn other_versions_and_orders_of_bytes_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let open = |bytes: &[u8]| {
        let path: &Path = &dir.path().join("old.gguf");
        std::fs::write(path, bytes).expect("written");
        GgufFile::open(path).expect_err("refused").to_string()
    };
    assert!(open(b"GGUF\x01\0\0\0").contains("version 1"));
    assert!(open(b"GGUF\0\0\0\x03").contains("big-endian"));
    assert!(open(b"GGML\0\0\0\0").contains("doesn't begin with"));
}
