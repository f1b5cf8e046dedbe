//! Processors against their definitions, on random rows with ties and forbidden tokens.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use refire_core::{
    Dry, LengthDecay, Mirostat, MirostatVersion, Purpose, SamplingParams, Stream, Xtc,
};
use refire_sample::{
    Chain, DrawBuffer, DryPenalty, EpsilonCutoff, EtaCutoff, FrequencyPresence, History,
    LengthDecayPenalty, LogitsProcessor, MinP, MirostatWarper, NoRepeatNgram, RepetitionPenalty,
    Sampler, Scratch, TokenContext, TopH, TopK, TopNSigma, TopP, TypicalP, XtcWarper,
};
use std::collections::{BTreeMap, BTreeSet};

const NONE: f32 = f32::NEG_INFINITY;

/// Logits in steps of a quarter, so that there are ties; at least one is finite.
fn row() -> impl Strategy<Value = Vec<f32>> {
    let logit = prop_oneof![1 => Just(NONE), 8 => (-40_i8..40).prop_map(|x| f32::from(x) / 4.0)];
    (prop::collection::vec(logit, 1..150), any::<prop::sample::Index>()).prop_map(
        |(mut row, at)| {
            let at = at.index(row.len());
            row[at] = if row[at] == NONE { 0.0 } else { row[at] };
            row
        },
    )
}

/// Prompt and completion over few tokens, so that they repeat.
fn tokens() -> impl Strategy<Value = (Vec<u32>, Vec<u32>)> {
    (prop::collection::vec(0_u32..4, 0..20), prop::collection::vec(0_u32..4, 0..30))
}

/// What other processors may have left.
fn used(vocab: usize) -> Scratch {
    Scratch {
        pairs: vec![(7.5, 3); 77],
        values: vec![99.0; 55],
        places: vec![5; 44],
        counts: vec![0; vocab / 2],
    }
}

fn warpers(keep: usize, p: f32) -> Vec<(&'static str, usize, Box<dyn LogitsProcessor>)> {
    let mirostat = |version| Mirostat { version, tau: 4.0 * p, eta: 0.1 };
    let xtc = Xtc { probability: 1.0, threshold: p / 2.0 };
    vec![
        ("top_k", keep, Box::new(TopK::new(1 + (p * 30.0) as usize).with_min_keep(keep))),
        ("top_p", keep, Box::new(TopP::new(p).with_min_keep(keep))),
        ("min_p", keep, Box::new(MinP::new(p).with_min_keep(keep))),
        ("typical", keep, Box::new(TypicalP::new(p).with_min_keep(keep))),
        ("epsilon", keep, Box::new(EpsilonCutoff::new(p).with_min_keep(keep))),
        ("eta", keep, Box::new(EtaCutoff::new(p).with_min_keep(keep))),
        ("top_h", 1, Box::new(TopH::new(p))),
        ("top_n_sigma", 1, Box::new(TopNSigma::new(2.0 * p))),
        ("xtc", keep, Box::new(XtcWarper::new(xtc).with_min_keep(keep))),
        ("mirostat 1", 1, Box::new(MirostatWarper::new(mirostat(MirostatVersion::V1)))),
        ("mirostat 2", 1, Box::new(MirostatWarper::new(mirostat(MirostatVersion::V2)))),
    ]
}

proptest! {
    #[test]
    fn truncation_only_forbids_and_keeps_enough(row in row(), keep in 1_usize..6, p in 0.01_f32..0.99) {
        let live = row.iter().filter(|x| x.is_finite()).count();
        for (name, keep, mut warper) in warpers(keep, p) {
            let mut fresh = row.clone();
            warper.process(&TokenContext::default(), &mut fresh, &mut Scratch::default());
            for (x, before) in fresh.iter().zip(&row) {
                prop_assert!(x == before || *x == NONE, "{name} changed {before} to {x}");
            }
            let left = fresh.iter().filter(|x| x.is_finite()).count();
            prop_assert!(left >= keep.min(live), "{name} left {left} of {live}");
            // What other processors left in the scratch changes nothing.
            let mut dirty = row.clone();
            warper.process(&TokenContext::default(), &mut dirty, &mut used(row.len()));
            prop_assert_eq!(&fresh, &dirty, "{}", name);
        }
    }

    #[test]
    fn truncation_but_typical_and_xtc_keeps_the_likeliest(row in row(), p in 0.01_f32..0.99) {
        let max = row.iter().copied().fold(NONE, f32::max);
        for (name, _, mut warper) in warpers(1, p) {
            let mut out = row.clone();
            warper.process(&TokenContext::default(), &mut out, &mut Scratch::default());
            let kept = out.contains(&max);
            prop_assert!(kept || name == "typical" || name == "xtc", "{name} dropped the likeliest");
        }
    }

    #[test]
    fn typical_is_its_definition(row in row(), mass in 0.05_f64..0.95) {
        let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
        let p = |t: usize| f64::from(row[t]).exp() / total;
        let live: Vec<usize> = (0..row.len()).filter(|t| row[*t] != NONE).collect();
        let entropy: f64 = live.iter().map(|t| -p(*t) * p(*t).ln()).sum();
        let shift = |t: usize| (-p(t).ln() - entropy).abs();
        let mut order = live.clone();
        order.sort_by(|a, b| shift(*a).total_cmp(&shift(*b)));
        let mut sum = 0.0;
        let last = order.iter().position(|t| { sum += p(*t); sum >= mass });
        let bound = last.map_or(f64::INFINITY, |last| shift(order[last]));
        let mut out = row.clone();
        let mut typical = TypicalP::new(mass as f32);
        typical.process(&TokenContext::default(), &mut out, &mut Scratch::default());
        for t in live {
            // Within rounding of the bound both are right.
            if (shift(t) - bound).abs() > 1e-5 {
                prop_assert_eq!(out[t] != NONE, shift(t) < bound, "token {}", t);
            }
        }
    }

    #[test]
    fn xtc_is_its_definition(row in row(), threshold in 0.01_f64..0.5, chance in 0.0_f64..1.0) {
        let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
        let p: Vec<f64> = row.iter().map(|x| f64::from(*x).exp() / total).collect();
        prop_assume!(p.iter().all(|p| (p - threshold).abs() > 1e-6));
        let top: Vec<usize> = (0..row.len()).filter(|t| p[*t] >= threshold).collect();
        let xtc = Xtc { probability: 0.6, threshold: threshold as f32 };
        let mut out = row.clone();
        let context = TokenContext { chance, ..TokenContext::default() };
        XtcWarper::new(xtc).process(&context, &mut out, &mut Scratch::default());
        let gone: Vec<usize> = (0..row.len()).filter(|t| out[*t] != row[*t]).collect();
        if top.len() < 2 || chance > f64::from(0.6_f32) {
            prop_assert!(gone.is_empty());
        } else {
            prop_assert!(gone.len() == top.len() - 1 && gone.iter().all(|t| top.contains(t)));
            let left = top.iter().find(|t| !gone.contains(t)).unwrap();
            prop_assert!(gone.iter().all(|t| row[*t] >= row[*left]));
        }
    }

    #[test]
    fn penalties_are_their_definitions((prompt, output) in tokens(), last in 0_usize..60) {
        let row = [1.5_f32, -2.0, 0.0, NONE, 0.25];
        let context = TokenContext::new(&prompt, &output);
        let mut scratch = Scratch::default();
        let all = [prompt.as_slice(), &output].concat();
        let window = &all[all.len() - last.min(all.len())..];
        let seen: BTreeSet<u32> = window.iter().copied().collect();
        let mut out = row;
        RepetitionPenalty::new(1.3, History::ALL.last(last)).process(&context, &mut out, &mut scratch);
        for (t, (x, before)) in out.iter().zip(row).enumerate() {
            let expected = if before < 0.0 { before * 1.3 } else { before / 1.3 };
            prop_assert_eq!(*x, if seen.contains(&(t as u32)) { expected } else { before });
        }
        let drawn = &output[output.len() - last.min(output.len())..];
        let mut counts = BTreeMap::new();
        drawn.iter().for_each(|t| *counts.entry(*t).or_insert(0.0) += 1.0);
        let mut out = row;
        let mut penalty = FrequencyPresence::new(0.5, 0.25, History::OUTPUT.last(last));
        penalty.process(&context, &mut out, &mut scratch);
        for (t, (x, before)) in out.iter().zip(row).enumerate() {
            let taken = counts.get(&(t as u32)).map_or(0.0, |count| 0.5 * count + 0.25);
            prop_assert_eq!(*x, before - taken);
        }
        prop_assert!(scratch.counts.iter().all(|count| *count == 0));
    }

    #[test]
    fn ngrams_are_never_repeated((prompt, output) in tokens(), n in 1_usize..5) {
        let all = [prompt.as_slice(), &output].concat();
        let mut out = [0.0_f32; 4];
        let context = TokenContext::new(&prompt, &output);
        NoRepeatNgram::new(n).process(&context, &mut out, &mut Scratch::default());
        for t in 0..4_u32 {
            let next = [all.as_slice(), &[t]].concat();
            let gram = next.len().checked_sub(n).map(|from| &next[from..]);
            let repeated = gram.is_some_and(|gram| all.windows(n).any(|old| old == gram));
            prop_assert_eq!(out[t as usize] == NONE, repeated, "token {} after {:?}", t, all);
        }
    }

    #[test]
    fn dry_is_its_definition(
        (prompt, output) in tokens(),
        allowed_length in 1_usize..4,
        last_n in prop::option::of(1_usize..60),
        breakers in prop::collection::vec(0_u32..5, 0..2),
    ) {
        let dry = Dry { multiplier: 0.5, base: 1.5, allowed_length, last_n, breakers: breakers.clone() };
        let all = [prompt.as_slice(), &output].concat();
        let all = &all[all.len() - last_n.unwrap_or(usize::MAX).min(all.len())..];
        let mut longest = [0; 4];
        for end in 0..all.len() {
            let matches = |m: &usize| {
                let (back, tail) = (end - m - 1, all.len() - m - 1);
                all[back] == all[tail] && !breakers.contains(&all[tail])
            };
            let length = (0..end).take_while(matches).count();
            let slot = &mut longest[all[end] as usize];
            *slot = length.max(*slot);
        }
        let mut out = [0.0_f32; 4];
        let mut scratch = Scratch::default();
        DryPenalty::new(dry).process(&TokenContext::new(&prompt, &output), &mut out, &mut scratch);
        for t in 0..4_u32 {
            let m = longest[t as usize];
            let punished = m >= allowed_length && !breakers.contains(&t);
            let expected = if punished { -0.5 * 1.5_f32.powi((m - allowed_length) as i32) } else { 0.0 };
            let x = out[t as usize];
            prop_assert!((x - expected).abs() <= 1e-4 * expected.abs(), "token {t}: {x}, {expected}");
        }
        prop_assert!(scratch.counts.iter().all(|count| *count == 0));
    }

    #[test]
    fn a_draw_is_never_forbidden(row in row(), uniform in 0.0_f64..1.0, chance in 0.0_f64..1.0) {
        let params = SamplingParams {
            temperature: 0.7,
            top_k: Some(20),
            typical_p: Some(0.8),
            xtc: Some(Xtc::default()),
            repetition_penalty: 1.2,
            suppress_tokens: vec![0],
            ..Default::default()
        };
        let context = TokenContext { prompt: &[1, 2], output: &[3], chance, ..Default::default() };
        let mut sampler = Sampler::new(&params, &[]);
        let mut logits = row.clone();
        let drawn = sampler.draw(&context, &mut logits, uniform, &mut DrawBuffer::default());
        match drawn {
            Ok(drawn) => {
                let token = drawn.token as usize;
                prop_assert!(token != 0 && row[token] != NONE && logits[token] != NONE);
                prop_assert!(drawn.behaviour_logprob <= 1e-6 && drawn.model_logprob.is_finite());
            }
            Err(_) => prop_assert!(row[1..].iter().all(|x| *x == NONE)),
        }
    }
}

#[test]
fn mirostat_holds_the_surprise_at_its_target() {
    // A Zipf distribution of 2,000 tokens has 7.6 bits.
    let row: Vec<f32> = (1..=2000).map(|rank| -(rank as f32).ln()).collect();
    for version in [MirostatVersion::V1, MirostatVersion::V2] {
        for tau in [2.0, 4.0] {
            let mirostat = Some(Mirostat { version, tau, eta: 0.1 });
            let params = SamplingParams { mirostat, ..Default::default() };
            let (mut sampler, mut buffer) = (Sampler::new(&params, &[]), DrawBuffer::default());
            let mut stream = Stream::new(4, Purpose::named("test"), 0, 0, 0);
            let mut bits = Vec::new();
            for _ in 0..1500 {
                let (mut logits, context) = (row.clone(), TokenContext::default());
                let drawn =
                    sampler.draw(&context, &mut logits, stream.uniform(), &mut buffer).unwrap();
                sampler.observe(&drawn);
                bits.push(-drawn.behaviour_logprob / std::f32::consts::LN_2);
            }
            let mean = bits[100..].iter().sum::<f32>() / 1400.0;
            assert!((mean - tau).abs() < 0.1, "{version:?}: {mean} bits instead of {tau}");
        }
    }
}

#[test]
fn xtc_acts_as_often_as_it_should() {
    let params = SamplingParams {
        xtc: Some(Xtc { probability: 0.3, threshold: 0.2 }),
        ..Default::default()
    };
    let (mut sampler, mut buffer) = (Sampler::new(&params, &[]), DrawBuffer::default());
    let mut stream = Stream::new(4, Purpose::named("test"), 0, 0, 0);
    let mut first = 0;
    for _ in 0..4000 {
        let chance = stream.uniform();
        let context = TokenContext { chance, ..TokenContext::default() };
        let mut logits = [0.6_f32.ln(), 0.4_f32.ln()];
        let drawn = sampler.draw(&context, &mut logits, stream.uniform(), &mut buffer).unwrap();
        first += u32::from(drawn.token == 0);
    }
    let share = f64::from(first) / 4000.0;
    assert!((share - 0.7 * 0.6).abs() < 0.03, "{share}");
}

#[test]
fn a_decaying_length_never_overflows() {
    let mut logits = [3.0, NONE];
    let output = vec![1; 5000];
    let mut decay = LengthDecayPenalty::new(LengthDecay { start: 1, factor: 2.0 }, vec![0, 1]);
    decay.process(&TokenContext::new(&[], &output), &mut logits, &mut Scratch::default());
    assert_eq!(logits, [f32::MAX, NONE]);
}

#[test]
fn a_certain_token_stays_certain_at_a_low_temperature() {
    let decay = Some(LengthDecay { start: 0, factor: 3.0 });
    let length = SamplingParams { temperature: 0.3, length_decay: decay, ..Default::default() };
    let output = vec![1; 5000];
    let context = TokenContext::new(&[], &output);
    let mut sampler = Sampler::new(&length, &[0]);
    let drawn = sampler.draw(&context, &mut [3.0, 4.0], 0.9, &mut DrawBuffer::default()).unwrap();
    assert_eq!((drawn.token, drawn.behaviour_logprob), (0, 0.0));
    let repaired =
        SamplingParams { temperature: 0.3, remove_invalid: true, ..SamplingParams::default() };
    let mut sampler = Sampler::new(&repaired, &[]);
    let mut row = [1.0, f32::INFINITY, f32::NAN];
    let context = TokenContext::default();
    let drawn = sampler.draw(&context, &mut row, 0.9, &mut DrawBuffer::default()).unwrap();
    assert_eq!((drawn.token, drawn.model_logprob), (1, 0.0));
}

#[test]
fn presets_differ_only_in_order() {
    use refire_core::Order;
    let orders = [Order::Transformers, Order::Vllm, Order::LlamaCpp];
    let row = [2.0_f32, 1.9, 1.0, 0.0, -3.0];
    let out = |params: SamplingParams| {
        let mut logits = row;
        Chain::new(&params, &[]).process(
            &TokenContext::default(),
            &mut logits,
            &mut Scratch::default(),
        );
        logits.map(f32::is_finite)
    };
    // At a high temperature top-p keeps more where the temperature comes first.
    let hot = orders.map(|order| {
        out(SamplingParams { temperature: 3.0, top_p: Some(0.7), order, ..Default::default() })
    });
    assert_eq!(hot[0], hot[1]);
    assert!(hot[0].iter().filter(|x| **x).count() > hot[2].iter().filter(|x| **x).count());
    // min-p before top-p (vLLM) leaves another distribution to it than after.
    let params = SamplingParams { min_p: Some(0.3), top_p: Some(0.82), ..Default::default() };
    let both = orders.map(|order| out(SamplingParams { order, ..params.clone() }));
    assert_eq!(both[0], [true, true, true, false, false]);
    assert_eq!(both[1], [true, true, false, false, false]);
    assert_eq!(both[2], both[0]);
    // Frequency counts the prompt's tokens in llama.cpp alone.
    let counted = orders.map(|order| {
        let params = SamplingParams { frequency_penalty: 1.0, order, ..Default::default() };
        let (mut logits, context) = (row, TokenContext::new(&[0], &[1]));
        Chain::new(&params, &[]).process(&context, &mut logits, &mut Scratch::default());
        logits[0]
    });
    assert_eq!(counted, [2.0, 2.0, 1.0]);
}
