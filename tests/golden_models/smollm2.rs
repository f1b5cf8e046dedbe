use crate::reference::{floats, ids, json, query, values};
use refire::burn::tensor::Device;
use refire::core::Message;
use refire::model::{
    Decode, HostDecoder, Learner, LearnerConfig, Pretrained, RenderOptions, TextCodec, Work,
};
use refire::objective::{Policy, TokenBatch};
use serde_json::Value;
use std::path::Path;

/// SmolLM2-135M-Instruct: rendered prompts, logits, log-probabilities and greedy replies.
pub(crate) fn check(reference: &Path, dir: &Path) {
    let model = Pretrained::open(dir, &Device::flex()).unwrap();
    let learner = model.learner(LearnerConfig::default());
    for case in json(reference)["cases"].as_array().unwrap() {
        let prompt = prompt(&model, case);
        logits(&model, case, &prompt);
        reply(&model, &learner, case, prompt);
    }
}

fn prompt(model: &Pretrained, case: &Value) -> Vec<u32> {
    let asked = case["messages"].as_array().unwrap();
    let messages: Vec<Message> =
        asked.iter().map(|m| serde_json::from_value(m.clone()).unwrap()).collect();
    let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
    let rendered = model.chat.as_ref().unwrap().render(&messages, &options).unwrap();
    assert_eq!(rendered, case["rendered"].as_str().unwrap());
    let prompt = model.tokenizer.encode_rendered(&rendered).unwrap();
    assert_eq!(prompt, ids(&case["prompt_ids"]));
    prompt
}

fn logits(model: &Pretrained, case: &Value, prompt: &[u32]) {
    let all = model.decoder.logits(prompt).unwrap();
    let logits = values(all.narrow(0, prompt.len() - 1, 1));
    let top = &case["last_logits_top20"];
    for (id, theirs) in ids(&top["ids"]).iter().zip(floats(&top["logits"])) {
        close(logits[*id as usize], theirs, "a top logit");
    }
    for (ours, theirs) in logits.iter().zip(floats(&case["last_logits_first64"])) {
        close(*ours, theirs, "a logit");
    }
}

fn reply(model: &Pretrained, learner: &Learner, case: &Value, prompt: Vec<u32>) {
    let reply = ids(&case["greedy_ids"]);
    let whole = [&prompt[..], &reply[..]].concat();
    let batch = TokenBatch::continuations([(&whole[..1], &whole[1..])]);
    let ours = values(learner.token_stats(&batch, &query(&[1.0])).unwrap().logprobs);
    let theirs = floats(&case["teacher_forced_logprobs_prompt_plus_greedy"]);
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(&theirs).for_each(|(a, b)| close(*a, *b, "a log-probability"));

    let host = HostDecoder::new(&model.decoder).unwrap();
    let mut cache = host.cache(None, prompt.len() + reply.len());
    let (mut row, mut next) = (vec![0.0; host.vocab()], prompt);
    for (token, margin) in reply.iter().zip(floats(&case["greedy_top1_minus_top2"])) {
        host.forward(&mut [Work { tokens: &next, cache: &mut cache, logits: &mut row }]).unwrap();
        if margin < 1e-3 {
            break;
        }
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert_eq!(best as u32, *token);
        next = vec![*token];
    }
    println!("{}", TextCodec::decode(&model.tokenizer, &reply).unwrap());
}

fn close(ours: f64, theirs: f64, what: &str) {
    assert!((ours - theirs).abs() < 1e-4, "{what}: {ours} instead of {theirs}");
}
