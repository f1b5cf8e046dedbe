//! transformers' processors, one by one.

use crate::case::{Case, assert_close, assert_close_but_for_ties, ids, number};
use refire::core::{LengthDecay, SequenceBias};
use refire::sample::{
    BadWords, EpsilonCutoff, EtaCutoff, ForcedEnd, History, LengthDecayPenalty, LogSoftmax,
    LogitsProcessor, MinP, MinTokens, NoRepeatNgram, RemoveInvalid, RepetitionPenalty, Scratch,
    SequenceBiases, SuppressTokens, Temperature, TokenContext, TopH, TopK, TopP, TypicalP,
};
use serde_json::Value;

fn boxed<P: LogitsProcessor + 'static>(processor: P) -> Box<dyn LogitsProcessor> {
    Box::new(processor)
}

fn keep(case: &Case<'_>) -> usize {
    case.find("min_tokens_to_keep").map_or(1, |n| n.as_u64().unwrap() as usize)
}

fn make(kind: &str, c: &Case<'_>) -> Box<dyn LogitsProcessor> {
    match kind {
        "temperature" => boxed(Temperature::new(c.float("temperature"))),
        "top_k" => boxed(TopK::new(c.count("top_k")).with_min_keep(keep(c))),
        "top_p" => boxed(TopP::new(c.float("top_p")).with_min_keep(keep(c))),
        "min_p" => boxed(MinP::new(c.float("min_p")).with_min_keep(keep(c))),
        "typical_p" => boxed(TypicalP::new(c.float("typical_p")).with_min_keep(keep(c))),
        "epsilon_cutoff" => boxed(EpsilonCutoff::new(c.float("epsilon")).with_min_keep(keep(c))),
        "eta_cutoff" => boxed(EtaCutoff::new(c.float("epsilon")).with_min_keep(keep(c))),
        "top_h" => boxed(TopH::new(c.float("top_h"))),
        "repetition_penalty" => {
            let skip = c.find("prompt_ignore_length").map_or(0, |n| n.as_u64().unwrap() as usize);
            boxed(RepetitionPenalty::new(c.float("penalty"), History::ALL.skip(skip)))
        }
        "no_repeat_ngram" => boxed(NoRepeatNgram::new(c.count("n"))),
        "min_length" => {
            boxed(MinTokens::new(c.count("min_length"), c.tokens("eos")).counting_prompt())
        }
        "min_new_tokens" => boxed(MinTokens::new(c.count("min_new"), c.tokens("eos"))),
        "sequence_bias" => boxed(SequenceBiases::new(biases(c.param("bias")))),
        "bad_words" => {
            let words: Vec<Vec<u32>> =
                c.param("bad_words").as_array().unwrap().iter().map(ids).collect();
            boxed(BadWords::new(&words, &c.tokens("eos")))
        }
        "suppress_tokens" => boxed(SuppressTokens::new(c.tokens("tokens"))),
        "forced_eos" => {
            boxed(ForcedEnd::new(c.count("max_length"), c.tokens("eos")).counting_prompt())
        }
        "exponential_decay_length_penalty" => {
            let decay = LengthDecay { start: c.count("start"), factor: c.float("factor") };
            boxed(LengthDecayPenalty::new(decay, c.tokens("eos")))
        }
        "log_softmax_normalization" => boxed(LogSoftmax),
        "inf_nan_remove" => boxed(RemoveInvalid),
        _ => panic!("unknown kind `{kind}`"),
    }
}

fn biases(value: &Value) -> Vec<SequenceBias> {
    let bias = |pair: &Value| SequenceBias { tokens: ids(&pair[0]), bias: number(&pair[1]) };
    value.as_array().unwrap().iter().map(bias).collect()
}

pub(crate) fn check(kind: &str, case: &Case<'_>) {
    let mut processor = make(kind, case);
    let prompt = case.find("prompt_len").map_or(0, |n| n.as_u64().unwrap() as usize);
    let (inputs, expected) = (case.ids("input_ids"), case.rows("out"));
    // One scratch for all rows: what a row leaves must not matter to the next.
    let mut scratch = Scratch::default();
    let scores = case.rows("scores");
    assert!(scores.len() == expected.len() && scores.len() == inputs.len());
    for ((mut logits, input), expected) in scores.into_iter().zip(inputs).zip(expected) {
        let (prompt, output) = input.split_at(prompt);
        processor.process(&TokenContext::new(prompt, output), &mut logits, &mut scratch);
        match kind {
            "top_p" | "min_p" | "typical_p" | "top_h" => {
                assert_close_but_for_ties(&logits, &expected, "logits");
            }
            _ => assert_close(&logits, &expected, "logits"),
        }
    }
}
