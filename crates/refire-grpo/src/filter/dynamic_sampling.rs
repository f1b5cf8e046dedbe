//! Dynamic sampling: groups that are all right or all wrong carry no signal.
//!
//! ```text
//! keep = max(R) - min(R) > min_spread        over the completions with a score
//! ```
//!
//! Yu et al., "DAPO" (2025), section 3.2; verl's `filter_groups`, which asks for a standard
//! deviation above 0. As there, a group of one scored completion is kept: it has no siblings to
//! differ from, and methods without a group baseline learn from it. A larger group with fewer than two
//! scores is dropped.

use crate::GrpoError;
use refire_core::{BoxError, Group, GroupFilter, Score, Stateful};
use serde::{Deserialize, Serialize};

/// Settings; a [`GroupFilter`] by itself.
///
/// ```
/// use refire_core::{Group, GroupFilter, Score};
/// use refire_grpo::filter::DynamicSampling;
/// # let completion = |n| refire_core::Completion {
/// #     tokens: vec![n], loss_mask: vec![true], model_logprobs: vec![0.0],
/// #     behaviour_logprobs: vec![0.0], versions: vec![0], turns: vec![],
/// #     text: String::new(), finish: refire_core::Finish::Length,
/// # };
/// let completions = vec![completion(1), completion(2)];
/// let group = Group { request: Default::default(), completions };
/// let mut filter = DynamicSampling::default();
/// assert!(filter.keep(&group, &[Score::value(1.0), Score::value(0.0)])?);
/// assert!(!filter.keep(&group, &[Score::value(1.0), Score::value(1.0)])?);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DynamicSampling {
    /// The part of the score to look at; `None` is the total. Shaping such as a length penalty
    /// gives the total a spread even where all answers are right: name the part that says so.
    pub part: Option<String>,
    /// The spread that is not enough.
    pub min_spread: f64,
}

impl DynamicSampling {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let fine = self.min_spread.is_finite() && self.min_spread >= 0.0;
        GrpoError::unless(fine, "filter.min_spread", self.min_spread, "0 or a positive number")
            .into_iter()
            .collect()
    }

    fn value(&self, row: usize, score: &Score) -> Result<Option<f64>, GrpoError> {
        let Score::Value { parts, .. } = score else { return Ok(None) };
        let Some(name) = &self.part else { return Ok(score.total()) };
        let missing = || GrpoError::MissingPart {
            row,
            expected: vec![name.clone()],
            found: parts.iter().map(|(name, _)| name.clone()).collect(),
        };
        score.part(name).map(Some).ok_or_else(missing)
    }
}

impl Stateful for DynamicSampling {}

impl GroupFilter for DynamicSampling {
    fn name(&self) -> &str {
        "dynamic_sampling"
    }

    fn keep(&mut self, group: &Group, scores: &[Score]) -> Result<bool, BoxError> {
        let (found, expected) = (scores.len(), group.completions.len());
        if found != expected {
            return Err(GrpoError::Count { what: "scores of a group", found, expected }.into());
        }
        let values = scores.iter().enumerate().map(|(row, score)| self.value(row, score));
        let values: Vec<f64> =
            values.filter_map(Result::transpose).collect::<Result<_, GrpoError>>()?;
        if expected == 1 {
            return Ok(values.len() == 1);
        }
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(max - min > self.min_spread)
    }
}
