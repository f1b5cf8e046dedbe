//! Whole chains in transformers' order, and the log-probabilities that training reads.

use crate::case::{Case, assert_close, assert_close_but_for_ties};
use refire::core::{LengthDecay, SamplingParams};
use refire::sample::{
    Chain, DrawBuffer, LogSoftmax, LogitsProcessor, Sampler, Scratch, Temperature, TokenContext,
};

/// What is written as 1 or 0 where it is off.
fn params(c: &Case<'_>) -> SamplingParams {
    let float = |name: &str, off: f32| c.find(name).map(crate::case::number).filter(|x| *x != off);
    let count = |name: &str| c.find(name).map_or(0, |n| n.as_u64().unwrap() as usize);
    let decay = |factor: f32| LengthDecay { start: count("decay_start"), factor };
    SamplingParams {
        temperature: c.float("temperature"),
        top_k: Some(count("top_k")).filter(|k| *k > 0),
        top_p: float("top_p", 1.0),
        min_p: float("min_p", 0.0),
        typical_p: float("typical_p", 1.0),
        top_h: float("top_h", 1.0),
        epsilon_cutoff: float("epsilon_cutoff", 0.0),
        eta_cutoff: float("eta_cutoff", 0.0),
        repetition_penalty: float("repetition_penalty", 1.0).unwrap_or(1.0),
        no_repeat_ngram: Some(count("no_repeat_ngram")).filter(|n| *n > 0),
        suppress_tokens: c.find("suppress_tokens").map_or_else(Vec::new, crate::case::ids),
        length_decay: float("decay_factor", 1.0).map(decay),
        min_tokens: count("min_new"),
        max_tokens: usize::MAX,
        ..Default::default()
    }
}

pub(crate) fn check(case: &Case<'_>) {
    let (params, ends) = (params(case), case.tokens("eos"));
    let problems = params.validate();
    assert!(problems.is_empty(), "{problems:?}");
    let prompt = case.count("prompt_len");
    let (inputs, expected) = (case.ids("input_ids"), case.rows("out"));
    let [raw, scaled, processed] =
        ["raw_logprobs", "temperature_only_logprobs", "processed_logprobs"].map(|n| case.rows(n));
    let mut scratch = Scratch::default();
    for (row, logits) in case.rows("scores").into_iter().enumerate() {
        let (prompt, output) = inputs[row].split_at(prompt);
        let context = TokenContext::new(prompt, output);
        let mut through = |processors: &mut [&mut dyn LogitsProcessor], expected: &[f32], what| {
            let mut logits = logits.clone();
            processors.iter_mut().for_each(|p| p.process(&context, &mut logits, &mut scratch));
            assert_close_but_for_ties(&logits, expected, what);
            logits
        };
        let mut chain = Chain::new(&params, &ends);
        through(&mut [&mut chain], &expected[row], "logits");
        let ours =
            through(&mut [&mut chain, &mut LogSoftmax], &processed[row], "processed_logprobs");
        through(&mut [&mut LogSoftmax], &raw[row], "raw_logprobs");
        let mut temperature = Temperature::new(params.temperature);
        through(
            &mut [&mut temperature, &mut LogSoftmax],
            &scaled[row],
            "temperature_only_logprobs",
        );
        draws(&params, &ends, &context, &logits, &scaled[row], &ours);
    }
}

/// Every draw says both log-probabilities of its token, and all likely tokens are drawn.
fn draws(
    params: &SamplingParams,
    ends: &[u32],
    context: &TokenContext<'_>,
    logits: &[f32],
    model: &[f32],
    behaviour: &[f32],
) {
    let (mut sampler, mut buffer) = (Sampler::new(params, ends), DrawBuffer::default());
    let mut seen = vec![false; logits.len()];
    for i in 0..1000 {
        let uniform = f64::from(i) / 1000.0;
        let drawn = sampler.draw(context, &mut logits.to_vec(), uniform, &mut buffer).unwrap();
        let token = drawn.token as usize;
        seen[token] = true;
        assert_close(&[drawn.model_logprob], &[model[token]], "model_logprob");
        assert_close(&[drawn.behaviour_logprob], &[behaviour[token]], "behaviour_logprob");
    }
    for (token, logprob) in behaviour.iter().enumerate() {
        assert!(seen[token] || *logprob < 0.0011_f32.ln(), "token {token} was never drawn");
    }
}
