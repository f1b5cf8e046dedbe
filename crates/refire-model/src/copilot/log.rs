use crate::ModelError;
use crate::weights::host_values;
use burn::tensor::{Tensor, activation::softmax};
use refire_objective::head::{HeadInput, chunk_rows};
use std::collections::VecDeque;

/// What a pilot got wrong, token by token: its hidden state, the label, and its probabilities.
///
/// Of each distribution the `top` largest probabilities are kept, and the label's; the rest counts
/// as right. The latest `capacity` tokens are kept.
///
/// ```
/// use burn::tensor::Device;
/// use refire_model::{Decoder, Learner, LearnerConfig, MistakeLog, TinyLlama};
/// use refire_objective::{FrozenPolicy, Policy, TokenBatch};
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let learner = Learner::new(decoder, LearnerConfig::default());
/// let mut log = MistakeLog::new(10_000, 64);
/// let batch = TokenBatch::continuations([(&[1][..], &[2, 3][..])]);
/// // Beside each step of fine-tuning:
/// log.record(&learner.freeze().head_input(&batch)?, &batch.target_tokens()?)?;
/// assert_eq!(log.len(), 2);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MistakeLog {
    capacity: usize,
    top: usize,
    mistakes: VecDeque<Mistake>,
}

/// One token's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mistake {
    pub(super) hidden: Vec<f32>,
    /// Tokens and `onehot(y) - p` of each, the label's first.
    pub(super) errors: Vec<(u32, f32)>,
}

impl MistakeLog {
    /// An empty log.
    pub fn new(capacity: usize, top: usize) -> Self {
        Self { capacity, top, mistakes: VecDeque::new() }
    }

    /// Tokens it holds.
    pub fn len(&self) -> usize {
        self.mistakes.len()
    }

    /// True if it holds none.
    pub fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    pub(super) fn at(&self, index: usize) -> &Mistake {
        &self.mistakes[index]
    }

    /// Logs what a pilot says at some targets, `[n, hidden]`, whose labels are known.
    ///
    /// # Errors
    /// When labels and hidden states aren't as many, a label is beyond the vocabulary, or a tensor
    /// can't be read.
    pub fn record(&mut self, pilot: &HeadInput, labels: &[u32]) -> Result<(), ModelError> {
        let ([n, _], [vocab, width]) = (pilot.hidden.dims(), pilot.layer.weight.dims());
        let refuse = |reason: String| Err(ModelError::Copilot { reason });
        if labels.len() != n {
            return refuse(format!("{} labels for {n} hidden states", labels.len()));
        }
        if let Some(label) = labels.iter().find(|label| **label as usize >= vocab) {
            return refuse(format!("label {label} is beyond the vocabulary of {vocab}"));
        }
        let size = chunk_rows(vocab);
        for (start, labels) in (0..).step_by(size).zip(labels.chunks(size)) {
            let hidden = pilot.hidden.clone().narrow(0, start, labels.len());
            let probabilities = softmax(pilot.layer.logits(hidden.clone()), 1);
            self.add(hidden.narrow(1, 0, width), probabilities, labels)?;
        }
        while self.mistakes.len() > self.capacity {
            self.mistakes.pop_front();
        }
        Ok(())
    }

    fn add(
        &mut self,
        hidden: Tensor<2>,
        probabilities: Tensor<2>,
        labels: &[u32],
    ) -> Result<(), ModelError> {
        let ([_, width], [_, vocab]) = (hidden.dims(), probabilities.dims());
        let hidden = host_values("hidden states", hidden)?;
        let probabilities = host_values("probabilities", probabilities)?;
        let rows = hidden.chunks_exact(width).zip(probabilities.chunks_exact(vocab));
        for ((hidden, probabilities), label) in rows.zip(labels) {
            let errors = errors(probabilities, *label, self.top);
            self.mistakes.push_back(Mistake { hidden: hidden.to_vec(), errors });
        }
        Ok(())
    }
}

/// The label's error, and those of the likeliest other tokens.
fn errors(probabilities: &[f32], label: u32, top: usize) -> Vec<(u32, f32)> {
    let others = (0..).zip(probabilities).filter(|(token, _)| *token != label);
    let mut others: Vec<(u32, f32)> = others.map(|(token, p)| (token, -p)).collect();
    let top = top.min(others.len());
    // The first among equals.
    if top < others.len() {
        others.select_nth_unstable_by(top, |a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        others.truncate(top);
    }
    others.sort_by_key(|(token, _)| *token);
    let own = (label, 1.0 - probabilities[label as usize]);
    std::iter::once(own).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_and_the_likeliest_others_are_kept() {
        let p = [0.1, 0.4, 0.2, 0.1, 0.2];
        assert_eq!(errors(&p, 3, 2), [(3, 0.9), (1, -0.4), (2, -0.2)]);
        assert_eq!(errors(&p, 1, 9).len(), 5);
        assert_eq!(errors(&p, 0, 0), [(0, 0.9)]);
    }
}
