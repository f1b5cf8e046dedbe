//! Text within a language.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{engine, generate, learner, request};
use refire_core::{Finish, Flow, Guide, Order, Request, RolloutEngine, SamplingParams};
use refire_sample::{BeamSearch, LocalEngine, SampleError, TokenGuides};
use serde_json::{Value, json};
use std::sync::Arc;

/// Token `t` is the character with that number; 0 ends a reply.
fn guided(context: usize) -> LocalEngine {
    let bytes = (0..128_u8).map(|byte| if byte == 0 { vec![] } else { vec![byte] }).collect();
    let guides = TokenGuides::from_vocabulary(bytes).unwrap();
    engine(&learner(context)).with_guides(Arc::new(guides))
}

fn asked(id: u64, guide: Guide, max_tokens: usize) -> Request {
    let params = SamplingParams { guide: Some(guide), max_tokens, ..Default::default() };
    request(id, 12, params)
}

fn regex(pattern: &str) -> Guide {
    Guide::Regex { pattern: pattern.to_owned() }
}

#[test]
fn completions_match_the_expression() {
    let groups = generate(&mut guided(64), &[asked(1, regex("(ab|c)[0-9]{2,5}!"), 30)]);
    let mut distinct = Vec::new();
    for c in &groups[0].completions {
        assert_eq!(c.finish, Finish::EndToken { token: 0 });
        let rest = c.text.strip_prefix("ab").or_else(|| c.text.strip_prefix('c')).unwrap();
        let digits = rest.strip_suffix('!').unwrap();
        assert!((2..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()));
        assert!(c.behaviour_logprobs.iter().zip(&c.model_logprobs).all(|(b, m)| b >= m));
        assert!(c.behaviour_logprobs.last() == Some(&0.0), "only the end was left");
        distinct.push(c.text.clone());
    }
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() > 5, "{distinct:?}");
}

#[test]
fn completions_satisfy_the_schema() {
    let schema = json!({
        "type": "object",
        "properties": { "n": { "type": "integer", "minimum": 10, "maximum": 99 }, "ok": { "type": "boolean" } },
        "required": ["n", "ok"],
        "additionalProperties": false,
        "x-guidance": { "whitespace_flexible": false },
    });
    let groups = generate(&mut guided(128), &[asked(2, Guide::JsonSchema { schema }, 60)]);
    for c in &groups[0].completions {
        assert!(matches!(c.finish, Finish::EndToken { .. }), "{}", c.text);
        let value: Value = serde_json::from_str(&c.text).unwrap();
        assert!((10..=99).contains(&value["n"].as_i64().unwrap()) && value["ok"].is_boolean());
    }
}

#[test]
fn guides_hold_in_every_order_greedily_and_in_beams() {
    let grammar = "start: \"x\" DIGITS\nDIGITS: /[0-9]{3}/".to_owned();
    let right = |text: &str| text.len() == 4 && text.starts_with('x');
    let mut engine = guided(64);
    for order in [Order::Transformers, Order::Vllm, Order::LlamaCpp] {
        let mut request = asked(3, Guide::Lark { grammar: grammar.clone() }, 20);
        request.params = SamplingParams {
            order,
            top_k: Some(3),
            top_p: Some(0.9),
            repetition_penalty: 1.2,
            ..request.params
        };
        let groups = generate(&mut engine, std::slice::from_ref(&request));
        assert!(groups[0].completions.iter().all(|c| right(&c.text)));
        request.params.temperature = 0.0;
        assert!(right(
            &generate(&mut engine, std::slice::from_ref(&request))[0].completions[0].text
        ));
        let settings = BeamSearch { beams: 5, keep: 5, ..Default::default() };
        let beams = engine.beam_search(&request, &settings).unwrap();
        assert!(beams.iter().all(|beam| right(&beam.completion.text)), "{beams:?}");
    }
}

#[test]
fn guided_completions_resume_and_do_not_depend_on_company() {
    let params = |id| asked(id, regex("[a-z]{3,9}(-[0-9]+)?"), 16);
    let requests: Vec<Request> = (0..5).map(params).collect();
    let together = generate(&mut guided(64), &requests);
    for (request, group) in requests.iter().zip(&together) {
        assert_eq!(generate(&mut guided(64), std::slice::from_ref(request))[0], *group);
    }
    let one = Request { n: 1, ..requests[0].clone() };
    let mut engine = guided(64);
    let mut seen = 0;
    let mut partial = engine
        .generate(std::slice::from_ref(&one), &mut |_| {
            seen += 1;
            if seen == 2 { Flow::CancelAll } else { Flow::Continue }
        })
        .unwrap();
    let resume = Some(partial.remove(0).completions.remove(0));
    let resumed = generate(&mut engine, &[Request { resume, ..one }]);
    assert_eq!(resumed[0].completions[0], together[0].completions[0]);
}

#[test]
fn what_is_not_understood_is_an_error() {
    let mut engine = guided(64);
    let mut fails = |request: Request| {
        let error = engine.generate(&[request], &mut |_| Flow::Continue).unwrap_err();
        *error.downcast::<SampleError>().unwrap()
    };
    let error = fails(asked(7, regex("a(b"), 9));
    assert!(matches!(error, SampleError::Guide { request: 7, .. }), "{error}");
    let mut endless = asked(7, regex("a"), 9);
    endless.params.ignore_end = true;
    assert!(fails(endless).to_string().contains("end the text"));
    let mut against = asked(7, regex("a+"), 9);
    against.params.suppress_tokens = vec![97];
    let error = fails(against).to_string();
    assert!(error.contains("no token is left"), "{error}");
}

#[test]
fn the_bytes_of_a_real_vocabulary() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    // Byte-level BPE: a space is written as Ġ.
    let tokenizer = json!({
        "decoder": { "type": "ByteLevel" },
        "added_tokens": [{ "id": 4, "content": "<|end|>", "special": true }],
        "model": { "vocab": { "a": 0, "\u{120}a": 1, "\u{120}": 2, "bc": 3 } },
    });
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let guides = TokenGuides::from_tokenizer(&path, 6).unwrap();
    let guide = regex("a a(bc)?");
    let mut constraint = refire_sample::Guides::constraint(&guides, &guide, &[4]).unwrap();
    let mut allowed = |output: &[u32]| -> Vec<usize> {
        let mut logits = [0.0; 6];
        constraint.restrict(output, &mut logits).unwrap();
        (0..6).filter(|t| logits[*t] == 0.0).collect()
    };
    assert_eq!(allowed(&[]), [0]);
    assert_eq!(allowed(&[0]), [1, 2]);
    assert_eq!(allowed(&[0, 1]), [3, 4]);
    assert_eq!(allowed(&[0, 2, 0, 3]), [4]);
    assert_eq!(allowed(&[0, 2]), [0], "a shorter text begins anew");
    assert!(matches!(TokenGuides::from_tokenizer(&path, 3), Err(SampleError::Vocabulary { .. })));
    let missing = TokenGuides::from_tokenizer(&dir.path().join("none.json"), 3).unwrap_err();
    assert!(missing.to_string().contains("none.json"), "{missing}");
}
