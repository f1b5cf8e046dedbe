use burn::tensor::Tensor;

/// What the model says about each target, `[rows, time]`, 0 where there is no target.
///
/// In training these are autodiff leaves: the objective's gradient with respect to them is all the
/// policy needs. Quantities that weren't asked for are `None`.
#[derive(Debug, Clone)]
pub struct TokenStats {
    /// `log softmax(logits / temperature)` of the target token.
    pub logprobs: Tensor<2>,
    /// Entropy of the distribution, in nats.
    pub entropy: Option<Tensor<2>>,
    /// Sum of squared probabilities.
    pub sum_sq: Option<Tensor<2>>,
    /// Mean over the vocabulary of the log-probability.
    pub mean_logprob: Option<Tensor<2>>,
    /// KL to the reference over the whole vocabulary.
    pub full_kl: Option<Tensor<2>>,
}

impl TokenStats {
    /// Log-probabilities alone.
    pub fn from_logprobs(logprobs: Tensor<2>) -> Self {
        Self { logprobs, entropy: None, sum_sq: None, mean_logprob: None, full_kl: None }
    }
}
