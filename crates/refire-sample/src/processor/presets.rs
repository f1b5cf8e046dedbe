use super::{
    AllowedTokens, BadWords, Blend, DryPenalty, EpsilonCutoff, EtaCutoff, ForcedEnd, ForcedTokens,
    FrequencyPresence, History, LengthDecayPenalty, LogitBias, LogitsProcessor, MinP, MinTokens,
    MirostatWarper, NoRepeatNgram, RemoveInvalid, RepetitionPenalty, SequenceBiases,
    SuppressTokens, TopH, TopK, TopNSigma, TopP, TypicalP, XtcWarper,
};
use refire_core::{Order, SamplingParams};

use Step as S;

type Boxed = Box<dyn LogitsProcessor>;

/// A processor by name, to be put in order.
#[derive(Debug, Clone, Copy)]
enum Step {
    Blend,
    LogitBias,
    SequenceBias,
    Repetition,
    FrequencyPresence,
    Dry,
    NoRepeatNgram,
    BadWords,
    MinTokens,
    Allowed,
    Forced,
    ForcedEnd,
    RemoveInvalid,
    LengthDecay,
    Suppress,
    TopH,
    TopNSigma,
    TopK,
    TopP,
    MinP,
    Typical,
    Epsilon,
    Eta,
    Xtc,
    Mirostat,
}

/// What changes logits at any temperature, and what truncates when tokens are drawn.
struct Preset {
    processors: &'static [Step],
    warpers: &'static [Step],
    /// The temperature comes after the warpers, and before mirostat.
    temperature_last: bool,
    /// Frequency and presence count the prompt's tokens too.
    counts_prompt: bool,
}

/// transformers' `_get_logits_processor`.
const TRANSFORMERS: Preset = Preset {
    processors: &[
        S::Blend,
        S::LogitBias,
        S::SequenceBias,
        S::Repetition,
        S::FrequencyPresence,
        S::Dry,
        S::NoRepeatNgram,
        S::BadWords,
        S::MinTokens,
        S::Allowed,
        S::Forced,
        S::ForcedEnd,
        S::RemoveInvalid,
        S::LengthDecay,
        S::Suppress,
    ],
    warpers: &[
        S::TopH,
        S::TopNSigma,
        S::TopK,
        S::TopP,
        S::MinP,
        S::Typical,
        S::Epsilon,
        S::Eta,
        S::Xtc,
    ],
    temperature_last: false,
    counts_prompt: false,
};

/// vLLM 1's sampler; `Allowed` to `FrequencyPresence` and min-p, top-k, top-p are its own.
const VLLM: Preset = Preset {
    processors: &[
        S::Blend,
        S::Allowed,
        S::BadWords,
        S::MinTokens,
        S::LogitBias,
        S::SequenceBias,
        S::Repetition,
        S::FrequencyPresence,
        S::Dry,
        S::NoRepeatNgram,
        S::LengthDecay,
        S::Suppress,
        S::Forced,
        S::ForcedEnd,
        S::RemoveInvalid,
    ],
    warpers: &[
        S::MinP,
        S::TopK,
        S::TopP,
        S::TopH,
        S::TopNSigma,
        S::Typical,
        S::Epsilon,
        S::Eta,
        S::Xtc,
    ],
    temperature_last: false,
    counts_prompt: false,
};

/// llama.cpp's default chain; biases, penalties, DRY and the warpers to XTC are its own.
const LLAMA_CPP: Preset = Preset {
    processors: &[
        S::Blend,
        S::LogitBias,
        S::SequenceBias,
        S::Allowed,
        S::Suppress,
        S::BadWords,
        S::NoRepeatNgram,
        S::MinTokens,
        S::LengthDecay,
        S::Repetition,
        S::FrequencyPresence,
        S::Dry,
        S::Forced,
        S::ForcedEnd,
        S::RemoveInvalid,
    ],
    warpers: &[
        S::TopNSigma,
        S::TopK,
        S::Typical,
        S::TopP,
        S::MinP,
        S::Xtc,
        S::TopH,
        S::Epsilon,
        S::Eta,
    ],
    temperature_last: true,
    counts_prompt: true,
};

/// What stands before the temperature, and after it.
pub(super) fn processors(params: &SamplingParams, ends: &[u32]) -> [Vec<Boxed>; 2] {
    let preset = match params.order {
        Order::Vllm => &VLLM,
        Order::LlamaCpp => &LLAMA_CPP,
        _ => &TRANSFORMERS,
    };
    let all = |steps: &[Step]| -> Vec<Boxed> {
        let made = steps.iter().filter_map(|step| {
            restrict(*step, params, ends)
                .or_else(|| penalise(*step, params, preset.counts_prompt))
                .or_else(|| truncate(*step, params))
        });
        made.collect()
    };
    let (mut before, mut after) = (all(preset.processors), Vec::new());
    if params.temperature > 0.0 {
        let warpers = all(preset.warpers);
        if preset.temperature_last {
            before.extend(warpers)
        } else {
            after.extend(warpers)
        }
        after.extend(all(&[S::Mirostat]));
    }
    [before, after]
}

fn boxed<P: LogitsProcessor + 'static>(processor: P) -> Boxed {
    Box::new(processor)
}

/// What forbids and forces tokens.
fn restrict(step: Step, p: &SamplingParams, ends: &[u32]) -> Option<Boxed> {
    let end_tokens = || ends.to_vec();
    Some(match step {
        S::Allowed => boxed(AllowedTokens::new(p.allowed_tokens.clone()?)),
        S::BadWords if !p.bad_words.is_empty() => boxed(BadWords::new(&p.bad_words, ends)),
        S::Suppress if !p.suppress_tokens.is_empty() => {
            boxed(SuppressTokens::new(p.suppress_tokens.clone()))
        }
        S::Forced if !p.forced_tokens.is_empty() => {
            boxed(ForcedTokens::new(p.forced_tokens.clone()))
        }
        S::MinTokens if p.min_tokens > 0 && !ends.is_empty() => {
            boxed(MinTokens::new(p.min_tokens, end_tokens()))
        }
        S::ForcedEnd if p.force_end && !ends.is_empty() => {
            boxed(ForcedEnd::new(p.max_tokens, end_tokens()))
        }
        S::LengthDecay if !ends.is_empty() => {
            boxed(LengthDecayPenalty::new(p.length_decay?, end_tokens()))
        }
        S::RemoveInvalid if p.remove_invalid => boxed(RemoveInvalid),
        S::NoRepeatNgram => boxed(NoRepeatNgram::new(p.no_repeat_ngram?)),
        _ => return None,
    })
}

/// What moves logits up and down.
fn penalise(step: Step, p: &SamplingParams, counts_prompt: bool) -> Option<Boxed> {
    let last = p.penalty_last_n.unwrap_or(usize::MAX);
    let counted = if counts_prompt { History::ALL } else { History::OUTPUT };
    let (frequency, presence) = (p.frequency_penalty, p.presence_penalty);
    Some(match step {
        S::Blend => boxed(Blend::new(p.blend?)),
        S::LogitBias if !p.logit_bias.is_empty() => boxed(LogitBias::new(p.logit_bias.clone())),
        S::SequenceBias if !p.sequence_bias.is_empty() => {
            boxed(SequenceBiases::new(p.sequence_bias.clone()))
        }
        S::Repetition if p.repetition_penalty != 1.0 => {
            boxed(RepetitionPenalty::new(p.repetition_penalty, History::ALL.last(last)))
        }
        S::FrequencyPresence if (frequency, presence) != (0.0, 0.0) => {
            boxed(FrequencyPresence::new(frequency, presence, counted.last(last)))
        }
        S::Dry => boxed(DryPenalty::new(p.dry.clone()?)),
        _ => return None,
    })
}

/// What drops unlikely tokens, or likely ones.
fn truncate(step: Step, p: &SamplingParams) -> Option<Boxed> {
    let keep = p.min_keep;
    Some(match step {
        S::TopH => boxed(TopH::new(p.top_h?)),
        S::TopNSigma => boxed(TopNSigma::new(p.top_n_sigma?)),
        S::TopK => boxed(TopK::new(p.top_k?).with_min_keep(keep)),
        S::TopP => boxed(TopP::new(p.top_p.filter(|p| *p < 1.0)?).with_min_keep(keep)),
        S::MinP => boxed(MinP::new(p.min_p.filter(|p| *p > 0.0)?).with_min_keep(keep)),
        S::Typical => boxed(TypicalP::new(p.typical_p.filter(|p| *p < 1.0)?).with_min_keep(keep)),
        S::Epsilon => boxed(EpsilonCutoff::new(p.epsilon_cutoff?).with_min_keep(keep)),
        S::Eta => boxed(EtaCutoff::new(p.eta_cutoff?).with_min_keep(keep)),
        S::Xtc => boxed(XtcWarper::new(p.xtc?).with_min_keep(keep)),
        S::Mirostat => boxed(MirostatWarper::new(p.mirostat?)),
        _ => return None,
    })
}
