//! SmolLM2-135M-Instruct against transformers. Needs the model's folder in `REFIRE_SMOLLM2`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::Device;
use common::{data, floats, ids, json};
use refire_core::{Message, Needs, Role};
use refire_model::{
    Decode, HostDecoder, LearnerConfig, Pretrained, RenderOptions, TextCodec, Work,
};
use refire_objective::{HeadQuery, Policy, TokenBatch};
use std::path::Path;

#[test]
fn rendered_prompts_logits_logprobs_and_greedy_replies() {
    let Some(root) = data("golden/models") else { return };
    let reference = root.join("smollm2_reference.json");
    let Ok(dir) = std::env::var("REFIRE_SMOLLM2") else {
        println!("skipped: REFIRE_SMOLLM2 names no folder");
        return;
    };
    let model = Pretrained::open(Path::new(&dir), &Device::flex()).unwrap();
    let learner = model.learner(LearnerConfig::default());
    let host = HostDecoder::new(&model.decoder).unwrap();
    for case in json(&reference)["cases"].as_array().unwrap() {
        let ask = case["messages"].as_array().unwrap();
        let messages: Vec<Message> =
            ask.iter().map(|m| serde_json::from_value(m.clone()).unwrap()).collect();
        assert!(messages.iter().any(|m| m.role == Role::User));
        let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        let rendered = model.chat.as_ref().unwrap().render(&messages, &options).unwrap();
        assert_eq!(rendered, case["rendered"].as_str().unwrap());
        let prompt = model.tokenizer.encode_rendered(&rendered).unwrap();
        assert_eq!(prompt, ids(&case["prompt_ids"]));

        let logits: Vec<f64> = model
            .decoder
            .logits(&prompt)
            .unwrap()
            .narrow(0, prompt.len() - 1, 1)
            .into_data()
            .iter::<f64>()
            .collect();
        let close = |ours: f64, theirs: f64, limit: f64, what: &str| {
            assert!((ours - theirs).abs() < limit, "{what}: {ours} instead of {theirs}");
        };
        let top = &case["last_logits_top20"];
        for (id, theirs) in ids(&top["ids"]).iter().zip(floats(&top["logits"])) {
            close(logits[*id as usize], theirs, 1e-4, "a top logit");
        }
        for (ours, theirs) in logits.iter().zip(floats(&case["last_logits_first64"])) {
            close(*ours, theirs, 1e-4, "a logit");
        }

        let reply = ids(&case["greedy_ids"]);
        let whole = [&prompt[..], &reply[..]].concat();
        let batch = TokenBatch::continuations([(&whole[..1], &whole[1..])]);
        let query = HeadQuery {
            needs: Needs::NONE,
            temperature: &[1.0],
            reference: None,
            coefficients: None,
        };
        let stats = learner.token_stats(&batch, &query).unwrap().logprobs;
        let theirs = floats(&case["teacher_forced_logprobs_prompt_plus_greedy"]);
        let ours: Vec<f64> = stats.into_data().iter::<f64>().collect();
        assert_eq!(ours.len(), theirs.len());
        ours.iter().zip(&theirs).for_each(|(a, b)| close(*a, *b, 1e-4, "a log-probability"));

        let mut cache = host.cache(None, prompt.len() + reply.len());
        let (mut row, mut next) = (vec![0.0; host.vocab()], prompt);
        for (token, margin) in reply.iter().zip(floats(&case["greedy_top1_minus_top2"])) {
            host.forward(&mut [Work { tokens: &next, cache: &mut cache, logits: &mut row }])
                .unwrap();
            if margin < 1e-3 {
                break;
            }
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
            assert_eq!(best as u32, *token);
            next = vec![*token];
        }
        println!("{}", TextCodec::decode(&model.tokenizer, &reply).unwrap());
    }
}
