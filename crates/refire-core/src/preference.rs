use crate::{BoxError, CoreError, Stateful};
use serde::{Deserialize, Serialize};

/// One prompt with judged completions: a pair, a single one, or a ranking.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Preference {
    /// Identity within the data set.
    pub id: u64,
    /// Token ids of the prompt; reward models do without one.
    pub prompt: Vec<u32>,
    /// Token ids of the completions, end token included.
    pub completions: Vec<Vec<u32>>,
    /// One label per completion: 1 chosen or desirable, 0 rejected or undesirable, or a reward.
    pub labels: Vec<f64>,
    /// How much better the chosen one is, for losses with a margin.
    #[serde(default)]
    pub margin: f64,
}

impl Preference {
    /// A chosen and a rejected completion of one prompt.
    ///
    /// ```
    /// use refire_core::Preference;
    /// let pair = Preference::pair(7, vec![1, 2], vec![3], vec![4, 5]);
    /// assert_eq!(pair.labels, [1.0, 0.0]);
    /// assert!(pair.validate().is_ok());
    /// ```
    pub fn pair(id: u64, prompt: Vec<u32>, chosen: Vec<u32>, rejected: Vec<u32>) -> Self {
        let (completions, labels) = (vec![chosen, rejected], vec![1.0, 0.0]);
        Self { id, prompt, completions, labels, margin: 0.0 }
    }

    /// One completion that is desirable or not (KTO, BCO).
    pub fn unpaired(id: u64, prompt: Vec<u32>, completion: Vec<u32>, desirable: bool) -> Self {
        let labels = vec![f64::from(u8::from(desirable))];
        Self { id, prompt, completions: vec![completion], labels, margin: 0.0 }
    }

    /// Checks that there is one finite label per completion.
    ///
    /// # Errors
    /// Names what doesn't fit.
    pub fn validate(&self) -> Result<(), CoreError> {
        let id = self.id;
        let bad = |reason| Err(CoreError::Preference { id, reason });
        if self.completions.is_empty() {
            return bad("it has no completion");
        }
        if self.completions.len() != self.labels.len() {
            return bad("it needs one label per completion");
        }
        if !self.labels.iter().chain([&self.margin]).all(|x| x.is_finite()) {
            return bad("labels and margin must be finite");
        }
        Ok(())
    }
}

/// Serves judged completions to preference training.
pub trait PreferenceSource: Stateful + Send {
    /// The next `n` preferences; fewer only if the source is exhausted for good.
    ///
    /// # Errors
    /// When the data behind it can't be read.
    fn next(&mut self, n: usize) -> Result<Vec<Preference>, BoxError>;
}

impl<T: PreferenceSource + ?Sized> PreferenceSource for Box<T> {
    fn next(&mut self, n: usize) -> Result<Vec<Preference>, BoxError> {
        (**self).next(n)
    }
}
