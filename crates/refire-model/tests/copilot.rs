//! A copilot learns from its pilot's mistakes and rectifies its logits.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use refire_core::{Needs, Purpose, Stream};
use refire_model::{
    Copilot, CopilotConfig, CopilotLearner, CopilotTraining, Decode, Decoder, HostDecoder, Learner,
    LearnerConfig, MistakeLog, ModelError, Rectification, TinyLlama, Work,
};
use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};

const VOCAB: usize = 32;

fn fresh() -> Decoder {
    let shape = TinyLlama { vocab_size: VOCAB, hidden_size: 32, ..TinyLlama::default() };
    let mut config = shape.config();
    config.initializer_range = 0.1;
    Decoder::init(&config, 3, &Device::flex())
}

/// Rows of a small language with some chance in it.
fn sentences(count: u64, from: u64) -> Vec<Vec<u32>> {
    let row = |id: u64| {
        let mut stream = Stream::new(7, Purpose::named("rows"), 0, id, 0);
        let mut row = vec![1 + stream.below(31) as u32];
        while row.len() < 12 {
            let last = row[row.len() - 1];
            row.push(1 + (last * 5 + stream.below(2) as u32) % 31);
        }
        row
    };
    (from..from + count).map(row).collect()
}

fn batch(rows: &[Vec<u32>]) -> TokenBatch {
    TokenBatch::continuations(rows.iter().map(|row| (&row[..1], &row[1..])))
}

/// A pilot that was fine-tuned for some steps, and the log that was kept beside it.
fn flown(steps: u64, top: usize) -> (Decoder, MistakeLog) {
    let mut learner = Learner::new(fresh(), LearnerConfig::default());
    let mut log = MistakeLog::new(3_000, top);
    for step in 0..steps {
        let batch = batch(&sentences(8, 8 * step));
        let temperature = vec![1.0; batch.rows];
        let tokens = batch.targets.len() as f64;
        let query = HeadQuery::new(Needs::NONE, &temperature);
        let loss = &mut |stats: refire_objective::TokenStats| {
            Ok(Loss { total: stats.logprobs.sum() / -tokens, metrics: Vec::new() })
        };
        let input = learner.freeze().head_input(&batch).unwrap();
        log.record(&input, &batch.target_tokens().unwrap()).unwrap();
        learner.accumulate(&batch, &query, loss).unwrap();
        learner.step(1e-3).unwrap();
    }
    (learner.handle().with(|decoder, _| decoder.valid()).unwrap(), log)
}

/// Mean negative log-probability of rows that were never seen: of all tokens, and of those that
/// the pilot got wrong.
fn loss(decoder: &Decoder, pilot: &Decoder) -> [f64; 2] {
    let logprobs = |decoder: &Decoder, row: &[u32]| -> Vec<f32> {
        let logits = decoder.logits(&row[..row.len() - 1]).unwrap();
        burn::tensor::activation::log_softmax(logits, 1).into_data().iter::<f32>().collect()
    };
    let mut sums = [(0.0, 0.0); 2];
    for row in sentences(40, 100_000) {
        let (values, said) = (logprobs(decoder, &row), logprobs(pilot, &row));
        let tokens = values.chunks_exact(VOCAB).zip(said.chunks_exact(VOCAB)).zip(&row[1..]);
        for ((values, said), label) in tokens {
            let label = *label as usize;
            let wrong = said.iter().any(|other| *other > said[label]);
            for (total, _) in sums.iter_mut().zip([true, wrong]).filter(|(_, counts)| *counts) {
                total.0 -= f64::from(values[label]);
                total.1 += 1.0;
            }
        }
    }
    sums.map(|(sum, count)| sum / count)
}

#[test]
fn a_copilot_lowers_the_loss_of_a_pilot_that_makes_mistakes() {
    for (rectification, lambda) in
        [(Rectification::Logits, 3.0), (Rectification::Probabilities, 0.3)]
    {
        let (pilot, log) = flown(30, VOCAB);
        let config = CopilotConfig { lambda, rectification, ..CopilotConfig::default() };
        let copilot = Copilot::new(&pilot, &config, 1).unwrap();
        let training = CopilotTraining { epochs: 20, ..CopilotTraining::default() };
        let mut learner = CopilotLearner::new(copilot, training).unwrap();
        let losses = learner.learn(&log).unwrap();
        assert!(losses[19] < 0.97 * losses[0], "{losses:?}");
        let rectified = pilot.clone().with_copilot(&learner.copilot()).unwrap();
        let (alone, together) = (loss(&pilot, &pilot), loss(&rectified, &pilot));
        println!("{rectification:?}, all tokens and mistakes: {alone:.3?} alone, {together:.3?}");
        for (together, alone) in together.iter().zip(&alone) {
            assert!(*together < 0.97 * alone, "{together} together, {alone} alone");
        }
        assert_eq!(loss(&rectified.without_copilot(), &pilot), alone);
    }
}

#[test]
fn the_engine_hears_what_the_network_hears() {
    for rectification in [Rectification::Logits, Rectification::Probabilities] {
        let (pilot, log) = flown(5, 4);
        let config = CopilotConfig { rectification, ..CopilotConfig::default() };
        let copilot = Copilot::new(&pilot, &config, 1).unwrap();
        let mut learner = CopilotLearner::new(copilot, CopilotTraining::default()).unwrap();
        learner.learn(&log).unwrap();
        let rectified = pilot.with_copilot(&learner.copilot()).unwrap();
        let row = &sentences(1, 5)[0];
        let expected = rectified.logits(row).unwrap();
        let expected: Vec<f32> = expected.into_data().iter::<f32>().collect();
        let host = HostDecoder::new(&rectified).unwrap();
        let mut cache = host.cache(None, row.len());
        let mut logits = vec![0.0; VOCAB];
        for (tokens, expected) in row.chunks(1).zip(expected.chunks_exact(VOCAB)) {
            host.forward(&mut [Work { tokens, cache: &mut cache, logits: &mut logits }]).unwrap();
            for (a, b) in logits.iter().zip(expected) {
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} instead of {b}");
            }
        }
        // Training doesn't hear it.
        let batch = batch(&sentences(2, 0));
        let query = HeadQuery::new(Needs::NONE, &[1.0; 2]);
        let stats = |decoder: Decoder| {
            let learner = Learner::new(decoder, LearnerConfig::default());
            let stats = Policy::token_stats(&learner, &batch, &query).unwrap();
            stats.logprobs.into_data().iter::<f32>().collect::<Vec<_>>()
        };
        assert_eq!(stats(rectified.clone()), stats(rectified.without_copilot()));
    }
}

#[test]
fn what_was_saved_reads_again_and_training_repeats_itself() {
    let (pilot, log) = flown(3, VOCAB);
    let learned = || {
        let copilot = Copilot::new(&pilot, &CopilotConfig::default(), 1).unwrap();
        let mut learner = CopilotLearner::new(copilot, CopilotTraining::default()).unwrap();
        (learner.learn(&log).unwrap(), learner.copilot())
    };
    let ((losses, copilot), (again, _)) = (learned(), learned());
    assert_eq!(losses, again);
    let dir = tempfile::tempdir().unwrap();
    copilot.save(dir.path()).unwrap();
    let read = Copilot::open(dir.path(), &pilot).unwrap();
    assert_eq!(read.config, copilot.config);
    let values = |c: &Copilot| {
        let hidden = Tensor::<2>::ones([1, 32], &Device::flex());
        c.forward(hidden).into_data().iter::<f32>().collect::<Vec<_>>()
    };
    assert_eq!(values(&read), values(&copilot));
}

#[test]
fn what_does_not_fit_is_said() {
    let pilot = fresh();
    let says = |error: ModelError, part: &str| {
        assert!(error.to_string().contains(part), "{error}");
    };
    let config = CopilotConfig { width: 0, ..CopilotConfig::default() };
    says(Copilot::new(&pilot, &config, 0).unwrap_err(), "width");
    let copilot = Copilot::new(&pilot, &CopilotConfig::default(), 0).unwrap();
    let other = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    says(other.clone().with_copilot(&copilot).unwrap_err(), "the pilot has 128");
    let scorer = other.with_score_head(0);
    says(Copilot::new(&scorer, &CopilotConfig::default(), 0).unwrap_err(), "scores");
    let mut learner = CopilotLearner::new(copilot, CopilotTraining::default()).unwrap();
    says(learner.learn(&MistakeLog::new(10, 4)).unwrap_err(), "empty");
    let training = CopilotTraining { batch_size: 0, ..CopilotTraining::default() };
    let copilot = learner.copilot();
    says(CopilotLearner::new(copilot, training).unwrap_err(), "batch_size");
    let frozen = Learner::new(pilot, LearnerConfig::default()).freeze();
    let input = frozen.head_input(&batch(&sentences(1, 0))).unwrap();
    says(MistakeLog::new(10, 4).record(&input, &[1]).unwrap_err(), "1 labels for 11");
}
