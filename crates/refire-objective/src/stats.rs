use burn::tensor::Tensor;
use refire_core::Needs;

/// Statistics of each target's distribution; what nobody asked for is `None`.
#[derive(Debug, Clone)]
pub struct Stats<T> {
    /// `log softmax(logits / temperature)` of the target token.
    pub logprobs: T,
    /// Entropy of the distribution, in nats.
    pub entropy: Option<T>,
    /// Sum of squared probabilities.
    pub sum_sq: Option<T>,
    /// Mean over the vocabulary of the log-probability.
    pub mean_logprob: Option<T>,
    /// Divergence to the reference over the whole vocabulary, see
    /// [`KlDirection`](refire_core::KlDirection).
    pub full_kl: Option<T>,
}

/// What the model says about each target, `[rows, time]`, 0 where there is no target.
///
/// In training these are autodiff leaves: the objective's gradient with respect to them is all the
/// policy needs.
pub type TokenStats = Stats<Tensor<2>>;

impl<T> Stats<T> {
    /// Log-probabilities alone.
    pub fn from_logprobs(logprobs: T) -> Self {
        Self { logprobs, entropy: None, sum_sq: None, mean_logprob: None, full_kl: None }
    }

    /// One value for everything that is asked for.
    pub fn filled(needs: Needs, mut value: impl FnMut() -> T) -> Self {
        Self {
            logprobs: value(),
            entropy: needs.entropy.then(&mut value),
            sum_sq: needs.sum_sq.then(&mut value),
            mean_logprob: needs.mean_logprob.then(&mut value),
            full_kl: needs.full_kl.map(|_| value()),
        }
    }

    /// The same change to every statistic.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Stats<U> {
        Stats {
            logprobs: change(self.logprobs),
            entropy: self.entropy.map(&mut change),
            sum_sq: self.sum_sq.map(&mut change),
            mean_logprob: self.mean_logprob.map(&mut change),
            full_kl: self.full_kl.map(&mut change),
        }
    }

    /// Borrows every statistic.
    pub fn as_ref(&self) -> Stats<&T> {
        Stats {
            logprobs: &self.logprobs,
            entropy: self.entropy.as_ref(),
            sum_sq: self.sum_sq.as_ref(),
            mean_logprob: self.mean_logprob.as_ref(),
            full_kl: self.full_kl.as_ref(),
        }
    }

    /// Joins statistics by statistic; what either lacks is `None`.
    pub fn zip<U, V>(self, other: Stats<U>, mut join: impl FnMut(T, U) -> V) -> Stats<V> {
        let mut both = |a: Option<T>, b: Option<U>| a.zip(b).map(|(a, b)| join(a, b));
        let entropy = both(self.entropy, other.entropy);
        let sum_sq = both(self.sum_sq, other.sum_sq);
        let mean_logprob = both(self.mean_logprob, other.mean_logprob);
        let full_kl = both(self.full_kl, other.full_kl);
        let logprobs = join(self.logprobs, other.logprobs);
        Stats { logprobs, entropy, sum_sq, mean_logprob, full_kl }
    }
}
