use serde::{Deserialize, Serialize};

/// Which divergence between policy and reference, over the whole vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlDirection {
    /// KL(policy || reference).
    Reverse,
    /// KL(reference || policy).
    Forward,
    /// The generalised Jensen-Shannon divergence of GKD (arXiv 2306.13649), with the mixture
    /// `m = beta reference + (1 - beta) policy`:
    /// `beta KL(reference || m) + (1 - beta) KL(policy || m)`.
    JensenShannon {
        /// Weight of the reference, strictly between 0 and 1.
        beta: f64,
    },
}

/// What a method asks for beside the log-probabilities of the sampled tokens.
///
/// Nothing is computed that nobody asks for; [`union`](Self::union) joins the wishes of an
/// advantage and an objective.
///
/// ```
/// use refire_core::Needs;
/// let both = Needs { entropy: true, ..Needs::NONE }.union(Needs { values: true, ..Needs::NONE });
/// assert!(both.entropy && both.values && !both.sum_sq);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Needs {
    /// Log-probabilities under the weights the step starts from.
    pub old_logprobs: bool,
    /// Log-probabilities under a frozen reference.
    pub ref_logprobs: bool,
    /// A critic's values.
    pub values: bool,
    /// Entropy of each token's distribution.
    pub entropy: bool,
    /// Sum of squared probabilities.
    pub sum_sq: bool,
    /// Mean log-probability over the vocabulary (label smoothing).
    pub mean_logprob: bool,
    /// Divergence to the reference over the whole vocabulary.
    pub full_kl: Option<KlDirection>,
    /// One greedy completion beside each group (ReMax).
    pub greedy_sibling: bool,
    /// Rows that pair a prompt with another row's completion, at the end of the step, without a
    /// score (KTO's estimate of the KL).
    pub mismatched: bool,
}

impl Needs {
    /// Log-probabilities of the sampled tokens only.
    pub const NONE: Self = Self {
        old_logprobs: false,
        ref_logprobs: false,
        values: false,
        entropy: false,
        sum_sq: false,
        mean_logprob: false,
        full_kl: None,
        greedy_sibling: false,
        mismatched: false,
    };

    /// What either asks for; if both want a full KL, `self` names the direction.
    pub fn union(self, other: Self) -> Self {
        Self {
            old_logprobs: self.old_logprobs || other.old_logprobs,
            ref_logprobs: self.ref_logprobs || other.ref_logprobs,
            values: self.values || other.values,
            entropy: self.entropy || other.entropy,
            sum_sq: self.sum_sq || other.sum_sq,
            mean_logprob: self.mean_logprob || other.mean_logprob,
            full_kl: self.full_kl.or(other.full_kl),
            greedy_sibling: self.greedy_sibling || other.greedy_sibling,
            mismatched: self.mismatched || other.mismatched,
        }
    }
}
