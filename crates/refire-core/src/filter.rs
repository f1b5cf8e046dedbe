use crate::{BoxError, Group, Score, Stateful};

/// Decides which scored groups are worth training on (DAPO's dynamic sampling and its kin).
pub trait GroupFilter: Stateful + Send {
    /// The name its metrics carry.
    fn name(&self) -> &str;

    /// Whether to keep a group; `scores` belong to its completions, in order.
    ///
    /// # Errors
    /// For misconfiguration only.
    fn keep(&mut self, group: &Group, scores: &[Score]) -> Result<bool, BoxError>;
}

impl<T: GroupFilter + ?Sized> GroupFilter for Box<T> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn keep(&mut self, group: &Group, scores: &[Score]) -> Result<bool, BoxError> {
        (**self).keep(group, scores)
    }
}

impl<T: GroupFilter> GroupFilter for Option<T> {
    fn name(&self) -> &str {
        self.as_ref().map_or("none", GroupFilter::name)
    }
    fn keep(&mut self, group: &Group, scores: &[Score]) -> Result<bool, BoxError> {
        self.as_mut().map_or(Ok(true), |filter| filter.keep(group, scores))
    }
}

/// Keeps a group if every filter does.
impl<T: GroupFilter> GroupFilter for Vec<T> {
    fn name(&self) -> &str {
        "all"
    }
    fn keep(&mut self, group: &Group, scores: &[Score]) -> Result<bool, BoxError> {
        for filter in self {
            if !filter.keep(group, scores)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
