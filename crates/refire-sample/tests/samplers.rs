//! Draws, and truncation against a plain sort.

#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{Purpose, SamplingParams, Stream};
use refire_sample::{
    DrawBuffer, DrawError, LogitsProcessor, Sampler, Scratch, TokenContext, TopK, TopP,
};

fn drawn(
    params: &SamplingParams,
    ends: &[u32],
    logits: &[f32],
    uniform: f64,
) -> Result<u32, DrawError> {
    let context = TokenContext::new(&[0], &[]);
    let (mut logits, mut buffer) = (logits.to_vec(), DrawBuffer::default());
    let drawn = Sampler::new(params, ends).draw(&context, &mut logits, uniform, &mut buffer);
    drawn.map(|d| d.token)
}

#[test]
fn greedy_takes_the_first_of_equal_maxima() {
    let greedy = SamplingParams::greedy(4);
    assert_eq!(drawn(&greedy, &[], &[0.0, 2.0, 2.0], 0.9).unwrap(), 1);
    let held = SamplingParams { min_tokens: 1, ..greedy };
    assert_eq!(drawn(&held, &[1], &[0.0, 2.0, 2.0], 0.0).unwrap(), 2);
}

#[test]
fn the_ends_of_the_unit_interval() {
    let (none, params) = (f32::NEG_INFINITY, SamplingParams::default());
    let almost_one = 1.0 - f64::EPSILON / 2.0;
    assert_eq!(drawn(&params, &[], &[none, 1.0, none, 1.0, none], 0.0).unwrap(), 1);
    assert_eq!(drawn(&params, &[], &[none, 1.0, none, 1.0, none], almost_one).unwrap(), 3);
}

#[test]
fn logits_without_a_distribution_are_errors() {
    let none = f32::NEG_INFINITY;
    let held = SamplingParams { min_tokens: 1, ..Default::default() };
    for params in [SamplingParams::default(), SamplingParams::greedy(2), held.clone()] {
        for logits in [[none, none], [f32::NAN, 0.0], [f32::INFINITY, 0.0]] {
            let error = drawn(&params, &[7], &logits, 0.5).unwrap_err();
            let nothing = logits == [none, none] && params.temperature == 0.0;
            assert!(nothing || matches!(error, DrawError::NotFinite), "{logits:?}: {error}");
        }
    }
    for params in [held.clone(), SamplingParams { temperature: 0.0, ..held }] {
        let error = drawn(&params, &[0, 1], &[0.0, 0.0], 0.5).unwrap_err();
        assert!(matches!(error, DrawError::NothingLeft), "every token is held off: {error}");
    }
    let repaired = SamplingParams { remove_invalid: true, ..Default::default() };
    assert_eq!(drawn(&repaired, &[], &[f32::NAN, f32::INFINITY], 0.5).unwrap(), 1);
}

/// Reference semantics by a plain sort, on random logits with ties and masked entries.
#[test]
fn truncation_agrees_with_a_plain_sort() {
    let mut stream = Stream::new(11, Purpose::named("test"), 0, 0, 0);
    let (context, mut scratch) = (TokenContext::default(), Scratch::default());
    let mut dropped = 0;
    for case in 0..300 {
        let vocab = 2 + stream.below(400);
        let logits: Vec<f32> = (0..vocab)
            .map(|_| match stream.below(10) {
                0 => f32::NEG_INFINITY,
                _ => (stream.normal() * 12.0).round() as f32 / 4.0,
            })
            .collect();
        if logits.iter().all(|x| !x.is_finite()) {
            continue;
        }
        let mut order: Vec<usize> = (0..vocab).collect();
        order.sort_by(|a, b| logits[*a].total_cmp(&logits[*b]));
        let k = 1 + stream.below(vocab);
        let mut ours = logits.clone();
        TopK::new(k).process(&context, &mut ours, &mut scratch);
        let kth = logits[order[vocab - k]];
        for (ours, x) in ours.iter().zip(&logits) {
            assert_eq!(*ours, if *x < kth { f32::NEG_INFINITY } else { *x }, "case {case}");
        }
        // No cumulative sum hits a random p exactly.
        let p = 0.05 + 0.9 * stream.uniform();
        let mut ours = logits.clone();
        TopP::new(p as f32).process(&context, &mut ours, &mut scratch);
        let weights: Vec<f64> = order.iter().map(|t| f64::from(logits[*t]).exp()).collect();
        let (total, mut sum) = (weights.iter().sum::<f64>(), 0.0);
        for (rank, token) in order.iter().enumerate() {
            sum += weights[rank];
            let stays = sum / total > 1.0 - f64::from(p as f32) || rank + 1 == vocab;
            dropped += usize::from(!stays);
            let expected = if stays { logits[*token] } else { f32::NEG_INFINITY };
            assert_eq!(ours[*token], expected, "case {case}, token {token}");
        }
    }
    assert!(dropped > 1000, "the cases truncate");
}
