use super::{Importance, Rejection, log_ratios};
use crate::GrpoError;
use serde::{Deserialize, Serialize};

/// How the mismatch of trainer and sampler is corrected: weights, and criteria that all have to
/// be met. What is rejected weighs 0.
///
/// ```
/// use refire_grpo::correction::Correction;
/// let config: Correction =
///     serde_json::from_str(r#"{"importance": {"max": 3.0}, "rejections": [{"upper": 8.0}]}"#)?;
/// let weights = config.weights(&[vec![-1.0, -1.0]], &[vec![-1.0, -9.0]], &[vec![true, true]])?;
/// assert_eq!(weights, [[1.0, 0.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Correction {
    /// Importance weights; 1 without.
    pub importance: Option<Importance>,
    /// Criteria to keep a token.
    pub rejections: Vec<Rejection>,
}

impl Correction {
    /// Weights alone.
    pub fn importance(importance: Importance) -> Self {
        Self { importance: Some(importance), rejections: Vec::new() }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let empty = GrpoError::conflict(
            self.importance.is_none() && self.rejections.is_empty(),
            "the correction is empty",
            "set `importance` or `rejections`, or leave the correction out",
        );
        let importance = self.importance.iter().flat_map(Importance::validate);
        let rejections = self.rejections.iter().flat_map(Rejection::validate);
        importance.chain(rejections).chain(empty).collect()
    }

    /// The weight of each token, 1 where masked.
    ///
    /// # Errors
    /// When the columns don't fit each other.
    pub fn weights(
        &self,
        old_logprobs: &[Vec<f64>],
        behaviour_logprobs: &[Vec<f64>],
        mask: &[Vec<bool>],
    ) -> Result<Vec<Vec<f64>>, GrpoError> {
        let ratios = log_ratios(old_logprobs, behaviour_logprobs)?;
        let mut weights = match &self.importance {
            Some(importance) => importance.weights(&ratios, mask)?,
            None => mask.iter().map(|row| vec![1.0; row.len()]).collect(),
        };
        for rejection in &self.rejections {
            let keep = rejection.keep(&ratios, mask)?;
            let tokens = weights.iter_mut().flatten().zip(keep.iter().flatten());
            tokens.zip(mask.iter().flatten()).for_each(|((weight, keep), seen)| {
                if *seen && !keep {
                    *weight = 0.0;
                }
            });
        }
        Ok(weights)
    }
}
