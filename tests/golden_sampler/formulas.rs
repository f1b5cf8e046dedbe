//! What has no processor in transformers.

use crate::case::{Case, assert_close};
use refire::sample::{
    Blend, FrequencyPresence, History, LogSoftmax, LogitsProcessor, Scratch, TokenContext,
};

pub(crate) fn frequency_presence(case: &Case<'_>) {
    let (frequency, presence) = (case.float("frequency_penalty"), case.float("presence_penalty"));
    let mut penalty = FrequencyPresence::new(frequency, presence, History::OUTPUT);
    let (outputs, expected) = (case.ids("output_ids"), case.rows("out"));
    for ((mut logits, output), expected) in
        case.rows("scores").into_iter().zip(outputs).zip(expected)
    {
        // Tokens of the prompt don't count.
        let context = TokenContext::new(&[0, 1, 1], &output);
        penalty.process(&context, &mut logits, &mut Scratch::default());
        assert_close(&logits, &expected, "logits");
    }
}

pub(crate) fn rlg(case: &Case<'_>) {
    let mut blend = Blend::new(case.float("weight_rl"));
    let (partners, expected) = (case.rows("sft_logits"), case.rows("out_logprobs"));
    for ((mut logits, partner), expected) in
        case.rows("rl_logits").into_iter().zip(partners).zip(expected)
    {
        let context = TokenContext { partner: Some(&partner), ..TokenContext::default() };
        let mut scratch = Scratch::default();
        blend.process(&context, &mut logits, &mut scratch);
        LogSoftmax.process(&context, &mut logits, &mut scratch);
        assert_close(&logits, &expected, "log-probabilities");
    }
}
