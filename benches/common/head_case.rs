//! A head's inputs, and its gradient in three ways.

use refire::burn::tensor::{Device, Distribution, Int, Tensor, activation::log_softmax};
use refire::core::Needs;
use refire::objective::head::{Head, HeadLayer, HeadStats};
use std::hint::black_box;

/// Hidden states, the head's weight and labels.
pub(crate) struct Case {
    hidden: Tensor<2>,
    weight: Tensor<2>,
    labels: Vec<u32>,
    temperature: Vec<f32>,
}

/// A name and a way.
pub(crate) type Variant = (&'static str, fn(&Case));

/// The ways: statistics then gradient, both at once, and autodiff on full logits.
pub(crate) const VARIANTS: [Variant; 3] =
    [("two walks", Case::two_walks), ("one walk", Case::one_walk), ("plain", Case::plain)];

impl Case {
    pub(crate) fn new(rows: usize, vocab: usize, width: usize) -> Self {
        let random = |rows| {
            Tensor::<2>::random([rows, width], Distribution::Normal(0.0, 0.1), &Device::flex())
        };
        let labels = (0..rows as u32).map(|i| i * 31 % vocab as u32).collect();
        let (hidden, weight) = (random(rows), random(vocab));
        Self { hidden, weight, labels, temperature: vec![1.0; rows] }
    }

    fn head(&self) -> Head<'_> {
        let layer = HeadLayer::new(self.weight.clone());
        Head::new(self.hidden.clone(), layer, &self.labels, &self.temperature)
    }

    fn ones(&self) -> Tensor<1> {
        Tensor::ones([self.labels.len()], &Device::flex())
    }

    fn two_walks(&self) {
        let ones = HeadStats::from_logprobs(self.ones());
        let head = self.head();
        let stats = head.stats(Needs::NONE);
        let _ = black_box(stats.and_then(|_| head.backward(Needs::NONE, &ones, true)));
    }

    fn one_walk(&self) {
        let _ = black_box(self.head().stats_and_grads(Needs::NONE, &self.ones(), true));
    }

    fn plain(&self) {
        let leaf = |t: &Tensor<2>| Tensor::from_inner(t.clone()).require_grad();
        let (hidden, weight) = (leaf(&self.hidden), leaf(&self.weight));
        let labels: Vec<i64> = self.labels.iter().map(|l| i64::from(*l)).collect();
        let labels = Tensor::<1, Int>::from_data(labels.as_slice(), &Device::flex());
        let logits = hidden.matmul(weight.transpose());
        let labels = labels.reshape([self.labels.len(), 1]);
        black_box(log_softmax(logits, 1).gather(1, labels).sum().backward());
    }
}
