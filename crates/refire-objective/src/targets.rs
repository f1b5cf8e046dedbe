use crate::ObjectiveError;
use burn::tensor::Tensor;

/// The constants an objective reads beside the policy's statistics: one micro-batch, `[rows, time]`.
#[derive(Debug, Clone)]
pub struct Targets {
    /// 1 where the loss sees a token.
    pub mask: Tensor<2>,
    /// Index of each row in the whole step, to look up what `prepare` made.
    pub row_ids: Vec<usize>,
    /// Group of each row; siblings share it.
    pub groups: Vec<usize>,
    /// Advantages.
    pub advantages: Option<Tensor<2>>,
    /// Log-probabilities under the weights the step started from.
    pub old_logprobs: Option<Tensor<2>>,
    /// Log-probabilities under the distribution the tokens were drawn from.
    pub behaviour_logprobs: Option<Tensor<2>>,
    /// Log-probabilities under the frozen reference.
    pub ref_logprobs: Option<Tensor<2>>,
    /// A critic's values when the step began.
    pub values: Option<Tensor<2>>,
    /// Targets of the critic.
    pub returns: Option<Tensor<2>>,
    /// Weight of each token's loss.
    pub weights: Option<Tensor<2>>,
    /// One number per row: 1 for a chosen or desirable row, 0 for a rejected or undesirable one;
    /// methods that rank take it for the row's reward. Rows of a pair share their group.
    pub labels: Option<Vec<f64>>,
    /// One number per row: by how much a chosen row has to win. Pairs read the chosen row's.
    pub margins: Option<Vec<f64>>,
}

impl Targets {
    /// Targets with a mask and nothing else; each row is its own group.
    pub fn new(mask: Tensor<2>) -> Self {
        let rows = mask.dims()[0];
        Self {
            mask,
            row_ids: (0..rows).collect(),
            groups: (0..rows).collect(),
            advantages: None,
            old_logprobs: None,
            behaviour_logprobs: None,
            ref_logprobs: None,
            values: None,
            returns: None,
            weights: None,
            labels: None,
            margins: None,
        }
    }

    /// A column, or the error that names who misses it.
    ///
    /// # Errors
    /// When the column is `None`.
    pub fn require<'a>(
        column: &'a Option<Tensor<2>>,
        name: &'static str,
        objective: &'static str,
    ) -> Result<&'a Tensor<2>, ObjectiveError> {
        column.as_ref().ok_or(ObjectiveError::MissingColumn { objective, column: name })
    }
}
