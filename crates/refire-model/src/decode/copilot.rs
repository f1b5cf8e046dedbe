//! A copilot on the CPU.

use super::kernel::{add_to, linear};
use super::product::Values;
use super::slice::Weight;
use crate::nn::softmax;
use crate::{Copilot, ModelError, Rectification};

pub(super) struct HostCopilot {
    down: Weight,
    up: Weight,
    width: usize,
    lambda: f32,
    rectification: Rectification,
}

impl HostCopilot {
    pub(super) fn new(copilot: &Copilot) -> Result<Self, ModelError> {
        let (down, up) = (copilot.down.val(), copilot.up.val());
        Ok(Self {
            width: copilot.config.width,
            down: Weight::new("copilot.down", down)?,
            up: Weight::new("copilot.up", up)?,
            lambda: copilot.config.lambda as f32,
            rectification: copilot.config.rectification,
        })
    }

    /// Rectifies rows of logits `[vocab]` by their hidden states `[rows, hidden]`.
    pub(super) fn rectify<'a>(
        &self,
        hidden: &[f32],
        logits: impl ExactSizeIterator<Item = &'a mut [f32]>,
        vocab: usize,
        parallel: bool,
    ) {
        let (rows, width) = (logits.len(), self.width);
        let mut inner = vec![0.0; rows * width];
        let (down, up) = (Values::F32(self.down.get()), Values::F32(self.up.get()));
        linear(hidden, down, None, &mut inner, [width, hidden.len() / rows.max(1)], parallel);
        inner.iter_mut().for_each(|x| *x /= 1.0 + (-*x).exp());
        let mut correction = vec![0.0; rows * vocab];
        linear(&inner, up, None, &mut correction, [vocab, width], parallel);
        for (logits, correction) in logits.zip(correction.chunks_exact(vocab.max(1))) {
            if self.rectification == Rectification::Probabilities {
                softmax(logits);
            }
            add_to(logits, correction, self.lambda);
            if self.rectification == Rectification::Probabilities {
                logits.iter_mut().for_each(|p| *p = p.max(crate::copilot::LEAST).ln());
            }
        }
    }
}
