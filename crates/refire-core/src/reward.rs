use crate::{BoxError, Completion, Prompt, Score};
use std::sync::Arc;

/// One completion to be scored, with its place among its siblings.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// What was asked.
    pub prompt: &'a Prompt,
    /// What came back.
    pub completion: &'a Completion,
    /// Group index within the call: siblings share it.
    pub group: usize,
}

/// Scores completions.
///
/// The whole batch is visible at once, so that a reward may compare siblings and may work in
/// parallel.
///
/// ```
/// use refire_core::{Reward, Score, reward_fn};
/// let short = reward_fn("short", |item| Ok(Score::value(-(item.completion.len() as f64))));
/// assert_eq!(short.name(), "short");
/// ```
pub trait Reward: Send + Sync {
    /// The name its metrics carry.
    fn name(&self) -> &str;

    /// One score per item, in order.
    ///
    /// # Errors
    /// For misconfiguration only. An item that can't be scored is a [`Score`], not an error.
    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError>;
}

impl<T: Reward + ?Sized> Reward for Box<T> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        (**self).score(items)
    }
}

impl<T: Reward + ?Sized> Reward for Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        (**self).score(items)
    }
}

/// A reward made from a closure on one item; see [`reward_fn`].
pub struct FnReward<F> {
    name: String,
    score: F,
}

impl<F> std::fmt::Debug for FnReward<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FnReward").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Makes a reward from a name and a closure on one item.
pub fn reward_fn<F>(name: impl Into<String>, score: F) -> FnReward<F>
where
    F: Fn(Scored<'_>) -> Result<Score, BoxError> + Send + Sync,
{
    FnReward { name: name.into(), score }
}

impl<F> Reward for FnReward<F>
where
    F: Fn(Scored<'_>) -> Result<Score, BoxError> + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }
    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        items.iter().map(|item| (self.score)(*item)).collect()
    }
}
