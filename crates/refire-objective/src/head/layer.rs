use crate::ObjectiveError;
use burn::tensor::{DType, Tensor, TensorData};
use std::ops::Range;

/// The last layer of a language model: from hidden states to logits.
///
/// ```text
/// logits = cap tanh(scale (h W^T + u B^T + b) / cap)
/// ```
///
/// Soft capping is Gemma 2's, the scale Cohere's and Granite's. `u B^T` is the second half of an
/// adapter's thin product: hidden states come as `[h, u]`, with `u = s h A^T` made by the model, so
/// that no matrix of `W`'s size is formed.
#[derive(Debug, Clone)]
pub struct HeadLayer {
    /// Weight `[vocab, hidden]`.
    pub weight: Tensor<2>,
    /// `B` `[vocab, r]`, which reads the last `r` columns of the hidden states.
    pub thin: Option<Tensor<2>>,
    /// Bias `[vocab]`.
    pub bias: Option<Tensor<1>>,
    /// Factor of the logits.
    pub logit_scale: f64,
    /// Logits stay between minus and plus this.
    pub softcap: Option<f64>,
}

/// Hidden states and the layer that reads them: one side of a divergence.
#[derive(Debug, Clone)]
pub struct HeadInput {
    /// Hidden states `[n, hidden]`.
    pub hidden: Tensor<2>,
    /// The layer.
    pub layer: HeadLayer,
}

/// Logits of a chunk before the temperature, and what their gradient needs.
pub(super) struct Logits {
    pub(super) values: Tensor<2>,
    /// `d capped / d uncapped = 1 - tanh^2`, where there is a cap.
    pub(super) slope: Option<Tensor<2>>,
}

impl HeadLayer {
    /// A weight and nothing else.
    pub fn new(weight: Tensor<2>) -> Self {
        Self { weight, thin: None, bias: None, logit_scale: 1.0, softcap: None }
    }

    /// Logits `[n, vocab]` of hidden states, all at once: for few rows. Those of weights in 16 bits
    /// come in 32.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_objective::head::HeadLayer;
    /// let device = Device::flex();
    /// let layer = HeadLayer::new(Tensor::from_data([[1.0], [2.0]], &device));
    /// let logits = layer.logits(Tensor::from_data([[3.0]], &device));
    /// assert_eq!(logits.into_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 6.0]);
    /// ```
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.logits_and_slope(hidden).values
    }

    pub(super) fn logits_and_slope(&self, hidden: Tensor<2>) -> Logits {
        let mut values = widened(self.read(hidden));
        if let Some(bias) = &self.bias {
            values = values + widened(bias.clone()).unsqueeze();
        }
        if self.logit_scale != 1.0 {
            values = values * self.logit_scale;
        }
        let Some(cap) = self.softcap else { return Logits { values, slope: None } };
        let tanh = (values * cap.recip()).tanh();
        let slope = (tanh.clone() * tanh.clone()).neg() + 1.0;
        Logits { values: tanh * cap, slope: Some(slope) }
    }

    /// `h W^T + u B^T`.
    fn read(&self, hidden: Tensor<2>) -> Tensor<2> {
        let Some(thin) = &self.thin else {
            return hidden.matmul(self.weight.clone().transpose());
        };
        let [h, u] = self.parts(hidden);
        h.matmul(self.weight.clone().transpose()) + u.matmul(thin.clone().transpose())
    }

    /// Hidden states as `h` and `u`, which is empty where there is no thin part.
    pub(super) fn parts(&self, hidden: Tensor<2>) -> [Tensor<2>; 2] {
        let (all, width) = (hidden.dims()[1], self.weight.dims()[1]);
        [hidden.clone().narrow(1, 0, width), hidden.narrow(1, width, all - width)]
    }

    /// From the gradient of `h W^T + u B^T + b` to that of the hidden states.
    pub(super) fn d_hidden(&self, d: Tensor<2>) -> Tensor<2> {
        match &self.thin {
            Some(thin) => {
                let parts = vec![d.clone().matmul(self.weight.clone()), d.matmul(thin.clone())];
                Tensor::cat(parts, 1)
            }
            None => d.matmul(self.weight.clone()),
        }
    }

    /// From the gradient of the logits to that of `h W^T + u B^T + b`, in the weight's format.
    pub(super) fn d_product(&self, d_logits: Tensor<2>, slope: Option<Tensor<2>>) -> Tensor<2> {
        let d = match slope {
            Some(slope) => d_logits * slope,
            None => d_logits,
        };
        let d = if self.logit_scale == 1.0 { d } else { d * self.logit_scale };
        if d.dtype() == self.weight.dtype() { d } else { d.cast(self.weight.dtype()) }
    }

    /// Size of the vocabulary, if everything fits hidden states of this width.
    pub(super) fn check(&self, hidden: usize) -> Result<usize, ObjectiveError> {
        let [vocab, width] = self.weight.dims();
        let shape = |what, found, expected| Err(ObjectiveError::Shape { what, found, expected });
        let rank = self.thin.as_ref().map_or(0, |thin| thin.dims()[1]);
        if hidden != width + rank {
            return shape("the head's weight", vec![vocab, width + rank], vec![vocab, hidden]);
        }
        if let Some(thin) = self.thin.as_ref().filter(|thin| thin.dims()[0] != vocab) {
            return shape("the head's thin part", thin.dims().to_vec(), vec![vocab, rank]);
        }
        if let Some(bias) = self.bias.as_ref().filter(|bias| bias.dims() != [vocab]) {
            return shape("the head's bias", bias.dims().to_vec(), vec![vocab]);
        }
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let fields = [("logit_scale", Some(self.logit_scale)), ("softcap", self.softcap)];
        for (field, value) in fields {
            if let Some(value) = value.filter(|value| !positive(*value)) {
                let (value, expected) = (value.to_string(), "a positive number");
                return Err(ObjectiveError::OutOfRange { field, value, expected });
            }
        }
        Ok(vocab)
    }
}

impl HeadInput {
    /// The most likely token at each hidden state, the first among equals.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_objective::head::{HeadInput, HeadLayer};
    /// let device = Device::flex();
    /// let layer = HeadLayer::new(Tensor::from_data([[1.0], [3.0], [2.0]], &device));
    /// let input = HeadInput { hidden: Tensor::from_data([[1.0], [-1.0]], &device), layer };
    /// assert_eq!(input.greedy_tokens(), [1, 0]);
    /// ```
    pub fn greedy_tokens(&self) -> Vec<u32> {
        let [n, _] = self.hidden.dims();
        let size = super::chunk_rows(self.layer.weight.dims()[0]);
        let chunk = |start: usize| {
            let rows = start..(start + size).min(n);
            let logits = self.layer.logits(self.hidden.clone().slice([rows]));
            logits.argmax(1).into_data().iter::<i64>().map(|id| id as u32).collect::<Vec<_>>()
        };
        (0..n).step_by(size).flat_map(chunk).collect()
    }

    /// Log-probabilities `[rows, vocab]` of some rows.
    pub(super) fn log_probs(&self, rows: Range<usize>, temperature: &[f32]) -> Tensor<2> {
        let logits = self.layer.logits(self.hidden.clone().slice([rows]));
        let scaled = match inverse(temperature, &logits) {
            Some(scale) => logits * scale,
            None => logits,
        };
        burn::tensor::activation::log_softmax(scaled, 1)
    }

    pub(super) fn check(&self, n: usize, vocab: usize) -> Result<(), ObjectiveError> {
        let [found, width] = self.hidden.dims();
        if found != n {
            let what = "hidden states of the reference";
            return Err(ObjectiveError::Count { what, found, expected: n });
        }
        let found = self.layer.check(width)?;
        if found != vocab {
            let what = "vocabulary of the reference";
            return Err(ObjectiveError::Count { what, found, expected: vocab });
        }
        Ok(())
    }
}

/// In 32 bits, if it was in 16: log-probabilities made of 16 bits have three digits.
pub(super) fn widened<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if matches!(x.dtype(), DType::BF16 | DType::F16) { x.cast(DType::F32) } else { x }
}

/// `1 / temperature` `[rows, 1]`, unless all are 1.
pub(super) fn inverse(temperature: &[f32], like: &Tensor<2>) -> Option<Tensor<2>> {
    if temperature.iter().all(|t| *t == 1.0) {
        return None;
    }
    let scale: Vec<f64> = temperature.iter().map(|t| f64::from(*t).recip()).collect();
    let data = TensorData::new(scale, [temperature.len(), 1]);
    Some(Tensor::from_data(data, (&like.device(), like.dtype())))
}
