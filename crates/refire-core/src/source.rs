use crate::{BoxError, CoreError, Group, Request, Score, Stateful};
use serde::{Deserialize, Serialize};

/// Chooses what the policy is asked next: a data set, a curriculum, a bandit.
///
/// It counts how often it served each prompt ([`Request::visit`]) and saves that count.
pub trait PromptSource: Stateful + Send {
    /// The next `n` requests; fewer only if the source is exhausted for good.
    ///
    /// # Errors
    /// When the data behind it can't be read.
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError>;

    /// Learns how the groups of a step went: one slice of scores per group.
    fn observe(&mut self, _groups: &[Group], _scores: &[Vec<Score>]) {}
}

impl<T: PromptSource + ?Sized> PromptSource for Box<T> {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        (**self).next(n)
    }
    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        (**self).observe(groups, scores);
    }
}

/// One tokenised training row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Identity within the data set.
    pub id: u64,
    /// Token ids, prompt and completion.
    pub tokens: Vec<u32>,
    /// Which tokens are learned; the first token has no context and is never learned.
    pub loss_mask: Vec<bool>,
    /// Weight of each token's loss; `None` means 1.
    #[serde(default)]
    pub weights: Option<Vec<f32>>,
    /// Lengths of the documents that the row packs, in order; empty means one document. Documents
    /// don't see each other, and positions start again with each.
    #[serde(default)]
    pub documents: Vec<usize>,
    /// What the model reads in place of `tokens`, as long as they are (masked thought); the tokens
    /// stay what it is to predict.
    #[serde(default)]
    pub inputs: Option<Vec<u32>>,
}

impl Row {
    /// The documents of a packed row, as rows of their own; any other row as it is.
    ///
    /// ```
    /// use refire_core::Row;
    /// let row = Row {
    ///     tokens: vec![1, 2, 3],
    ///     loss_mask: vec![true; 3],
    ///     documents: vec![2, 1],
    ///     ..Row::default()
    /// };
    /// assert_eq!(row.into_documents()?[1].tokens, [3]);
    /// # Ok::<(), refire_core::CoreError>(())
    /// ```
    ///
    /// # Errors
    /// When [`validate`](Self::validate) objects.
    pub fn into_documents(self) -> Result<Vec<Self>, CoreError> {
        self.validate()?;
        if self.documents.is_empty() {
            return Ok(vec![self]);
        }
        let mut start = 0;
        let documents = self.documents.iter().map(|length| {
            let range = start..start + length;
            start = range.end;
            Self {
                id: self.id,
                tokens: self.tokens[range.clone()].to_vec(),
                loss_mask: self.loss_mask[range.clone()].to_vec(),
                weights: self.weights.as_ref().map(|weights| weights[range.clone()].to_vec()),
                documents: Vec::new(),
                inputs: self.inputs.as_ref().map(|inputs| inputs[range].to_vec()),
            }
        });
        Ok(documents.collect())
    }

    /// Checks that mask, weights, inputs and documents cover the tokens.
    ///
    /// # Errors
    /// Names the column that differs.
    pub fn validate(&self) -> Result<(), CoreError> {
        let tokens = self.tokens.len();
        let check = |column, found| {
            if found == tokens {
                Ok(())
            } else {
                Err(CoreError::ColumnLength { column, found, tokens })
            }
        };
        check("loss_mask", self.loss_mask.len())?;
        self.weights.as_ref().map_or(Ok(()), |weights| check("weights", weights.len()))?;
        self.inputs.as_ref().map_or(Ok(()), |inputs| check("inputs", inputs.len()))?;
        if self.documents.is_empty() {
            return Ok(());
        }
        check("documents", self.documents.iter().sum())
    }
}

/// Serves tokenised rows to supervised training.
pub trait RowSource: Stateful + Send {
    /// The next `n` rows; fewer only if the source is exhausted for good.
    ///
    /// # Errors
    /// When the data behind it can't be read.
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError>;
}

impl<T: RowSource + ?Sized> RowSource for Box<T> {
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
        (**self).next(n)
    }
}

/// Serves groups that no engine generated in this step, to be trained on beside its rollouts: expert
/// demonstrations, replayed rollouts.
pub trait BatchSource: Stateful + Send {
    /// The next `n` groups, each with one score per completion; fewer if there are no more now.
    ///
    /// # Errors
    /// When the data behind it can't be read.
    fn next(&mut self, n: usize) -> Result<Vec<(Group, Vec<Score>)>, BoxError>;

    /// Sees the rollouts of a step before it is asked for groups: one slice of scores per group.
    fn observe(&mut self, _groups: &[Group], _scores: &[Vec<Score>]) {}
}

impl<T: BatchSource + ?Sized> BatchSource for Box<T> {
    fn next(&mut self, n: usize) -> Result<Vec<(Group, Vec<Score>)>, BoxError> {
        (**self).next(n)
    }
    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        (**self).observe(groups, scores);
    }
}
