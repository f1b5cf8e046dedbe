//! Which tokens move entropy most: what Clip-Cov and KL-Cov share.
//!
//! ```text
//! cov_t = (A_t - mean A) (logprob_t - mean logprob)          means over the tokens of the step
//! ```
//!
//! Cui et al., "The Entropy Mechanism of Reinforcement Learning" (2025). A choice over the whole
//! step can't be made within a micro-batch: it is made once, on the host, from log-probabilities
//! at the step's start, and the micro-batches look it up. verl chooses anew within each.

use crate::GrpoError;
use refire_core::{Purpose, Stream};

/// The draws of Clip-Cov.
const CLIP_COV: Purpose = Purpose::named("clip_cov");

/// Rows of covariances; 0 where masked. All columns are ragged alike.
///
/// ```
/// use refire_grpo::loss::covariances;
/// let cov = covariances(&[vec![-1.0, -3.0]], &[vec![1.0, -1.0]], &[vec![true, true]])?;
/// assert_eq!(cov, [[1.0, 1.0]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the columns don't fit each other.
pub fn covariances(
    logprobs: &[Vec<f64>],
    advantages: &[Vec<f64>],
    mask: &[Vec<bool>],
) -> Result<Vec<Vec<f64>>, GrpoError> {
    GrpoError::same_shape("advantages", advantages, mask)?;
    GrpoError::same_shape("logprobs", logprobs, mask)?;
    let mean = |column: &[Vec<f64>]| {
        let visible = column.iter().flatten().zip(mask.iter().flatten()).filter(|(_, m)| **m);
        let (sum, count) = visible.fold((0.0, 0.0), |(s, n), (v, _)| (s + v, n + 1.0));
        if count > 0.0 { sum / count } else { 0.0 }
    };
    let (mean_a, mean_l) = (mean(advantages), mean(logprobs));
    let rows = logprobs.iter().zip(advantages).zip(mask);
    let row = |((l, a), m): ((&Vec<f64>, &Vec<f64>), &Vec<bool>)| {
        let tokens = l.iter().zip(a).zip(m);
        tokens.map(|((l, a), m)| if *m { (a - mean_a) * (l - mean_l) } else { 0.0 }).collect()
    };
    Ok(rows.map(row).collect())
}

/// Positions of visible tokens: row, token, covariance.
fn visible<'a>(
    cov: &'a [Vec<f64>],
    mask: &'a [Vec<bool>],
) -> impl Iterator<Item = (usize, usize, f64)> + 'a {
    cov.iter().zip(mask).enumerate().flat_map(|(row, (cov, mask))| {
        let tokens = cov.iter().zip(mask).enumerate().filter(|(_, (_, m))| **m);
        tokens.map(move |(token, (cov, _))| (row, token, *cov))
    })
}

fn flags(mask: &[Vec<bool>], chosen: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<bool>> {
    let mut flags: Vec<Vec<bool>> = mask.iter().map(|row| vec![false; row.len()]).collect();
    chosen.for_each(|(row, token)| flags[row][token] = true);
    flags
}

/// KL-Cov's choice: the `fraction` of visible tokens of highest covariance, at least one. Of equal
/// ones the first stay.
///
/// ```
/// use refire_grpo::loss::top_covariance;
/// let top = top_covariance(&[vec![0.1, 0.9], vec![0.5]], &[vec![true, true], vec![true]], 0.4);
/// assert_eq!(top, [vec![false, true], vec![false]]);
/// ```
pub fn top_covariance(cov: &[Vec<f64>], mask: &[Vec<bool>], fraction: f64) -> Vec<Vec<bool>> {
    let mut tokens: Vec<(usize, usize, f64)> = visible(cov, mask).collect();
    let count = ((tokens.len() as f64 * fraction) as usize).max(1);
    tokens.sort_by(|a, b| b.2.total_cmp(&a.2));
    flags(mask, tokens.into_iter().take(count).map(|(row, token, _)| (row, token)))
}

/// Clip-Cov's choice: of the visible tokens with a covariance between the bounds, not counting
/// those that are clipped anyway, a random `fraction` of all visible ones, at least one.
///
/// ```
/// use refire_grpo::loss::{ClipCov, random_covariance};
/// let (mask, clipped) = (vec![vec![true; 3]], vec![vec![false, false, true]]);
/// let config = ClipCov { fraction: 1.0, ..ClipCov::default() };
/// let chosen = random_covariance(&[vec![2.0, 0.5, 2.0]], &mask, &clipped, &config, 0);
/// assert_eq!(chosen, [[true, false, false]]);
/// ```
pub fn random_covariance(
    cov: &[Vec<f64>],
    mask: &[Vec<bool>],
    clipped: &[Vec<bool>],
    config: &super::ClipCov,
    step: u64,
) -> Vec<Vec<bool>> {
    let tokens: Vec<(usize, usize, f64)> = visible(cov, mask).collect();
    let count = ((tokens.len() as f64 * config.fraction) as usize).max(1);
    let is_clipped = |row: usize, token: usize| {
        clipped.get(row).and_then(|row: &Vec<bool>| row.get(token)).copied().unwrap_or(false)
    };
    let between = |cov: f64| config.lower < cov && cov < config.upper;
    let mut chosen: Vec<(usize, usize)> = tokens
        .into_iter()
        .filter(|(row, token, cov)| between(*cov) && !is_clipped(*row, *token))
        .map(|(row, token, _)| (row, token))
        .collect();
    Stream::new(config.seed, CLIP_COV, step, 0, 0).shuffle(&mut chosen);
    flags(mask, chosen.into_iter().take(count))
}
