use crate::DataError;
use serde::{Deserialize, Serialize};

/// How scores of different scales are made comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// Rank divided by the number of items less one; equal scores share their mean rank.
    #[default]
    Rank,
    /// Stretched to `[0, 1]`.
    MinMax,
}

/// Select2Reason's joint score: `weight * difficulty + (1 - weight) * length`, both normalised. A
/// trace is worth more if its question is hard and its reasoning long.
///
/// ```
/// use refire_data::{Normalise, select_to_reason};
/// let scores = select_to_reason(&[0.1, 0.9], &[100.0, 300.0], 0.25, Normalise::Rank)?;
/// assert_eq!(scores, [0.0, 1.0]);
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// When the lists differ in length, the weight is outside `[0, 1]`, or a score isn't finite.
pub fn select_to_reason(
    difficulty: &[f64],
    length: &[f64],
    weight: f64,
    normalise: Normalise,
) -> Result<Vec<f64>, DataError> {
    if difficulty.len() != length.len() {
        let (found, expected) = (length.len(), difficulty.len());
        return Err(DataError::Count { what: "lengths", found, expected });
    }
    if !(0.0..=1.0).contains(&weight) {
        return Err(DataError::out_of_range("weight", weight, "from 0 to 1"));
    }
    if let Some(bad) = difficulty.iter().chain(length).find(|score| !score.is_finite()) {
        return Err(DataError::out_of_range("scores", bad, "finite numbers"));
    }
    let scale = |scores: &[f64]| match normalise {
        Normalise::Rank => ranks(scores),
        Normalise::MinMax => super::min_max(scores, 0.0),
    };
    let (difficulty, length) = (scale(difficulty), scale(length));
    Ok(difficulty.iter().zip(&length).map(|(d, l)| weight * d + (1.0 - weight) * l).collect())
}

fn ranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let most = (scores.len().max(2) - 1) as f64;
    let (mut ranks, mut at) = (vec![0.0; scores.len()], 0);
    for equal in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let middle = at as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|index| ranks[*index] = middle / most);
        at += equal.len();
    }
    ranks
}

/// Indices of the best share of scores, in `(0, 1]`, best first; of equal ones the first. At least
/// one, unless there is none.
///
/// ```
/// assert_eq!(refire_data::top_share(&[0.2, 0.9, 0.5, 0.7], 0.5), [1, 3]);
/// ```
pub fn top_share(scores: &[f64], share: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order.truncate(((scores.len() as f64 * share).round() as usize).max(1));
    order
}
