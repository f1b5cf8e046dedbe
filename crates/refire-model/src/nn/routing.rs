use burn::tensor::{Tensor, TensorData};
use refire_kernels::functions::exp;
use refire_kernels::sums::{max, sum};

/// How tokens were sent to experts, over all layers and tokens of a batch that aren't padding.
#[derive(Debug, Clone)]
pub struct Routing {
    /// Sum of the router's probabilities of each expert, `[experts]`; tracked if the decoder is.
    pub probabilities: Tensor<1>,
    /// How often each expert was chosen.
    pub counts: Vec<f64>,
    /// Tokens, each counted once in every layer with experts.
    pub tokens: f64,
}

impl Routing {
    /// The auxiliary loss that keeps experts equally busy, `[1]`; the model's
    /// `router_aux_loss_coef` is what it is usually multiplied with.
    ///
    /// ```text
    /// experts * sum_e (counts_e / tokens) (probabilities_e / tokens)
    /// ```
    ///
    /// Switch Transformers (arXiv 2101.03961), equations 4 to 6, as transformers computes it for
    /// Qwen 3: over all layers at once, so that its least value is the number of experts a token is
    /// sent to. Counts have no gradient.
    pub fn loss(&self) -> Tensor<1> {
        self.loss_among(&self.counts, self.tokens)
    }

    /// This part's share of the loss of a whole batch with these counts: shares add up to it.
    pub(crate) fn loss_among(&self, counts: &[f64], tokens: f64) -> Tensor<1> {
        let experts = counts.len();
        // A batch without tokens has no loss.
        let scale = experts as f64 / (tokens * tokens).max(1.0);
        let factors: Vec<f64> = counts.iter().map(|count| count * scale).collect();
        let like = &self.probabilities;
        let data = TensorData::new(factors, [experts]);
        let factors: Tensor<1> = Tensor::from_data(data, (&like.device(), like.dtype()));
        (like.clone() * factors).sum()
    }

    /// Without graph.
    pub(crate) fn inner(&self) -> Self {
        Self { probabilities: self.probabilities.clone().inner(), ..self.clone() }
    }

    /// Joins those that are there.
    pub(crate) fn joined(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (a, b) => a.or(b),
        }
    }

    /// Joins two layers' or batches' routings.
    fn and(self, other: Self) -> Self {
        Self {
            probabilities: self.probabilities + other.probabilities,
            counts: self.counts.iter().zip(&other.counts).map(|(a, b)| a + b).collect(),
            tokens: self.tokens + other.tokens,
        }
    }
}

/// The experts with the greatest probabilities, in falling order; of equals the first.
fn chosen(probabilities: &[f32], active: usize) -> Vec<usize> {
    let mut experts: Vec<usize> = (0..probabilities.len()).collect();
    experts.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
    experts.truncate(active);
    experts
}

/// A token's experts, and their weights.
pub(crate) fn router_weights(
    probabilities: &[f32],
    active: usize,
    normalize: bool,
) -> Vec<(usize, f32)> {
    let experts = chosen(probabilities, active);
    let sum: f32 = experts.iter().map(|expert| probabilities[*expert]).sum();
    let divisor = if normalize { sum } else { 1.0 };
    experts.into_iter().map(|expert| (expert, probabilities[expert] / divisor)).collect()
}

/// Softmax in place.
#[inline(always)]
pub(crate) fn softmax(scores: &mut [f32]) {
    let greatest = max(scores);
    scores.iter_mut().for_each(|score| *score = exp(*score - greatest));
    let total = sum(scores);
    scores.iter_mut().for_each(|score| *score /= total);
}
