use crate::{BoxError, Needs, Ragged, Stateful, StepView};

/// Advantages as a method computed them.
#[derive(Debug, Clone, PartialEq)]
pub enum AdvantageValues {
    /// One per completion, for each of its tokens.
    PerCompletion(Vec<f64>),
    /// One per token.
    PerToken(Ragged),
}

/// What an [`Advantage`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Advantages {
    /// The advantages; positive ones make the completion more likely.
    pub values: AdvantageValues,
    /// Targets of a critic, if the method has one.
    pub returns: Option<Ragged>,
}

impl Advantages {
    /// One advantage per completion.
    pub fn per_completion(values: Vec<f64>) -> Self {
        Self { values: AdvantageValues::PerCompletion(values), returns: None }
    }

    /// The advantage of one token.
    pub fn at(&self, row: usize, token: usize) -> f64 {
        match &self.values {
            AdvantageValues::PerCompletion(values) => values.get(row).copied().unwrap_or(0.0),
            AdvantageValues::PerToken(values) => {
                values.row(row).get(token).copied().map_or(0.0, f64::from)
            }
        }
    }
}

/// Turns scores into advantages.
///
/// Rows without a score leave the statistics and get advantage 0.
pub trait Advantage: Stateful + Send {
    /// The columns it reads.
    fn needs(&self) -> Needs {
        Needs::NONE
    }

    /// The advantages of a step, from what stands before its update.
    ///
    /// # Errors
    /// When a column it needs is missing.
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError>;
}

impl<T: Advantage + ?Sized> Advantage for Box<T> {
    fn needs(&self) -> Needs {
        (**self).needs()
    }
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        (**self).advantages(step)
    }
}
