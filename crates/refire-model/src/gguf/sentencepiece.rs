//! Vocabularies of SentencePiece: pieces with scores, from which the order of merges follows.

use super::GgufValue;
use super::config::fields;
use super::keys::Keys;
use super::vocabulary::{Kind, Vocabulary};
use crate::ModelError;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The steps of `tokenizer.json`, as transformers makes them of such a vocabulary.
pub(super) fn steps(
    vocabulary: &Vocabulary,
    keys: &mut Keys<'_>,
) -> Result<Map<String, Value>, ModelError> {
    let scores = keys.items("scores", "a list of numbers", GgufValue::as_f64)?;
    if scores.len() != vocabulary.tokens.len() {
        let (found, expected) = (scores.len(), vocabulary.tokens.len());
        return Err(keys.error("scores", format!("a list of {found}"), expected.to_string()));
    }
    let prefix = keys.flag("add_space_prefix")?.unwrap_or(true);
    let unknown = vocabulary.iter().find(|(_, _, kind)| *kind == Kind::Unknown);
    let spaces = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let mut normalizers = vec![spaces];
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    Ok(fields([
        ("normalizer", json!({"type": "Sequence", "normalizers": normalizers})),
        ("pre_tokenizer", Value::Null),
        ("decoder", json!({"type": "Sequence", "decoders": decoders})),
        (
            "model",
            json!({
                "type": "BPE", "dropout": null, "unk_token": unknown.map(|(_, token, _)| token),
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true,
                "byte_fallback": true, "ignore_merges": false,
                "vocab": vocabulary.ids(), "merges": merges(vocabulary, &scores),
            }),
        ),
    ]))
}

/// All ways to make a piece of two others, those of the highest scores first.
fn merges(vocabulary: &Vocabulary, scores: &[f64]) -> Vec<[String; 2]> {
    let pieces =
        vocabulary.iter().filter(|(_, _, kind)| matches!(kind, Kind::Normal | Kind::UserDefined));
    let ids: HashMap<&str, usize> = pieces.map(|(id, piece, _)| (piece, id)).collect();
    let mut found: Vec<(f64, [usize; 2])> = Vec::new();
    for (piece, id) in &ids {
        let cuts = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
        let pairs = cuts.filter_map(|(left, right)| Some([*ids.get(left)?, *ids.get(right)?]));
        found.extend(pairs.map(|pair| (scores[*id], pair)));
    }
    found.sort_by(|(a, left), (b, right)| match b.total_cmp(a) {
        Ordering::Equal => left.cmp(right),
        other => other,
    });
    found.into_iter().map(|(_, pair)| pair.map(|id| vocabulary.tokens[id].clone())).collect()
}
