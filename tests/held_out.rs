//! The loss on held-out rows is the mean negative log-probability of what they have to learn.

#![allow(clippy::unwrap_used, clippy::panic)]

use refire::burn::tensor::{Device, activation::log_softmax};
use refire::core::{BoxError, Callback, Control, Event, Row, RowSource, Stateful};
use refire::model::{Decoder, Learner, LearnerConfig, TinyLlama};
use refire::sft::loss::Nll;
use refire::train::{MicroBatch, SftConfig, SftTrainer};
use std::sync::{Arc, Mutex};

struct Same(Vec<Row>);

impl Stateful for Same {}

impl RowSource for Same {
    fn next(&mut self, _: usize) -> Result<Vec<Row>, BoxError> {
        Ok(self.0.clone())
    }
}

#[derive(Clone, Default)]
struct Losses(Arc<Mutex<Vec<(u64, f64)>>>);

impl Stateful for Losses {}

impl Callback for Losses {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        if let Event::Evaluation { step, metrics } = event {
            let loss = metrics.get("eval_loss").ok_or("no loss")?;
            self.0.lock().unwrap().push((*step, loss));
        }
        Ok(Control::Continue)
    }
}

fn decoder() -> Decoder {
    Decoder::init(&TinyLlama::default().config(), 5, &Device::flex())
}

fn row(tokens: &[u32], learned: &[usize]) -> Row {
    let loss_mask = (0..tokens.len()).map(|at| learned.contains(&at)).collect();
    Row { tokens: tokens.to_vec(), loss_mask, ..Row::default() }
}

/// Of one document: sum and number of its learned tokens.
fn nll(decoder: &Decoder, tokens: &[u32], mask: &[bool]) -> (f64, f64) {
    let all = log_softmax(decoder.logits(tokens).unwrap(), 1);
    let vocab = all.dims()[1];
    let values: Vec<f32> = all.into_data().iter().collect();
    let learned = (1..tokens.len()).filter(|at| mask[*at]);
    learned.fold((0.0, 0.0), |(sum, n), at| {
        (sum - f64::from(values[(at - 1) * vocab + tokens[at] as usize]), n + 1.0)
    })
}

fn trainer(micro_batch: MicroBatch) -> (SftTrainer, Losses) {
    let learner = Learner::new(decoder(), LearnerConfig::default());
    let config = SftConfig {
        steps: 4,
        micro_batch,
        learning_rate: 1e-2,
        evaluate_every: 2,
        ..SftConfig::default()
    };
    let rows = vec![row(&[1, 2, 3, 4], &[1, 2, 3])];
    let source = Box::new(Same(rows));
    let losses = Losses::default();
    let trainer =
        SftTrainer::new(Box::new(learner), source, Box::new(Nll::default()), config).unwrap();
    (trainer.with_callback(losses.clone()), losses)
}

#[test]
fn it_is_the_mean_over_all_learned_tokens_however_they_are_batched() {
    let packed = Row { documents: vec![3, 4], ..row(&[5, 6, 7, 1, 2, 3, 4], &[1, 3, 5, 6]) };
    let rows = vec![row(&[1, 2, 3, 4, 9, 8], &[0, 3, 4]), packed, row(&[3, 4], &[])];
    let of = |tokens: &[u32], mask: &[bool]| nll(&decoder(), tokens, mask);
    let parts = [
        of(&rows[0].tokens, &rows[0].loss_mask),
        of(&rows[1].tokens[..3], &rows[1].loss_mask[..3]),
        of(&rows[1].tokens[3..], &rows[1].loss_mask[3..]),
    ];
    let (sum, n) = parts.into_iter().fold((0.0, 0.0), |(a, b), (sum, n)| (a + sum, b + n));
    assert_eq!(n, 5.0, "the first token of a document is never learned");
    for micro_batch in [MicroBatch { rows: 1, tokens: 6 }, MicroBatch { rows: 8, tokens: 64 }] {
        let (trainer, losses) = trainer(micro_batch);
        trainer.with_held_out(rows.clone()).unwrap().run().unwrap();
        let losses = losses.0.lock().unwrap().clone();
        assert_eq!(losses.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 2, 4]);
        assert!((losses[0].1 - sum / n).abs() < 1e-5, "{} instead of {}", losses[0].1, sum / n);
    }
}

#[test]
fn a_loss_on_what_is_trained_falls() {
    let (trainer, losses) = trainer(MicroBatch::default());
    trainer.with_held_out(vec![row(&[1, 2, 3, 4], &[1, 2, 3])]).unwrap().run().unwrap();
    let losses = losses.0.lock().unwrap();
    assert!(losses[2].1 < losses[0].1, "{losses:?}");
}

#[test]
fn rows_with_nothing_to_learn_are_refused() {
    let error = trainer(MicroBatch::default()).0.with_held_out(vec![row(&[1, 2], &[0])]);
    assert!(error.unwrap_err().to_string().contains("no held-out row"));
    let broken = Row { tokens: vec![1, 2], loss_mask: vec![true], ..Row::default() };
    let error = trainer(MicroBatch::default()).0.with_held_out(vec![broken]).unwrap_err();
    assert!(error.to_string().contains("loss_mask"), "{error}");
}
