//! How text is cut into words before byte pairs are merged, by llama.cpp's names.

use serde_json::{Value, json};

/// Steps of `tokenizer.json` for one name.
pub(super) struct Pre {
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    /// A word that is a token isn't merged from its bytes.
    pub(super) ignore_merges: bool,
}

/// Names that [`find`] knows.
pub(super) const KNOWN: &str = "gpt-2, phi-2, olmo, smollm, starcoder, refact, command-r, llama3, \
     llama-v3, llama-bpe, falcon3, dbrx, smaug-bpe, qwen2, deepseek-r1-qwen, stablelm2, tekken, \
     gpt-4o";

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The steps of a `tokenizer.ggml.pre`, as the models' own `tokenizer.json` have them.
pub(super) fn find(name: &str) -> Option<Pre> {
    let pre = |pre_tokenizer| Pre { normalizer: Value::Null, pre_tokenizer, ignore_merges: false };
    Some(match name {
        "gpt-2" | "phi-2" | "olmo" => pre(bytes(true)),
        "smollm" | "starcoder" | "refact" | "command-r" => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            pre(json!({"type": "Sequence", "pretokenizers": [digits, bytes(true)]}))
        }
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" => {
            Pre { ignore_merges: true, ..pre(split(LLAMA3)) }
        }
        "dbrx" | "smaug-bpe" => pre(split(LLAMA3)),
        "qwen2" | "deepseek-r1-qwen" | "stablelm2" => {
            Pre { normalizer: json!({"type": "NFC"}), ..pre(split(QWEN2)) }
        }
        "tekken" => Pre { ignore_merges: true, ..pre(split(TEKKEN)) },
        "gpt-4o" => pre(split(GPT4O)),
        _ => return None,
    })
}

/// Bytes as letters, cut by GPT-2's pattern or not at all.
fn bytes(use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex,
    })
}

fn split(pattern: &str) -> Value {
    let split = json!({
        "type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false,
    });
    json!({"type": "Sequence", "pretokenizers": [split, bytes(false)]})
}
