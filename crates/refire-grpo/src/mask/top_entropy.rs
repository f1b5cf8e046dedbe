//! Only the tokens where the policy hesitates.
//!
//! A token stays if its entropy is at least the `1 - fraction` quantile over all tokens of the
//! step. Wang et al., "Beyond the 80/20 Rule" (2025); TRL's `top_entropy_quantile`. Dropped tokens
//! still count in the denominators of the loss.

/// Rows of flags like `mask`: among its tokens, the `fraction` of highest entropy.
///
/// Ties with the threshold stay; a fraction of 0 keeps the highest alone.
///
/// ```
/// use refire_grpo::mask::top_entropy_mask;
/// let entropy = [&[0.1, 2.0, 9.0][..], &[1.0][..]];
/// let mask = [vec![true, true, false], vec![true]];
/// assert_eq!(top_entropy_mask(entropy, &mask, 0.5), [vec![false, true, false], vec![true]]);
/// ```
pub fn top_entropy_mask<'a>(
    entropy: impl IntoIterator<Item = &'a [f32], IntoIter: Clone>,
    mask: &[Vec<bool>],
    fraction: f64,
) -> Vec<Vec<bool>> {
    let rows = entropy.into_iter().zip(mask);
    let seen = rows.clone().flat_map(|(h, m)| h.iter().zip(m).filter(|(_, m)| **m));
    let threshold = quantile(seen.map(|(h, _)| f64::from(*h)).collect(), 1.0 - fraction);
    let keep = |(h, m): (&f32, &bool)| *m && threshold.is_some_and(|t| f64::from(*h) >= t);
    rows.map(|(h, m)| h.iter().zip(m).map(keep).collect()).collect()
}

/// The `q` quantile, `0 <= q <= 1`, with linear interpolation; `None` without values.
///
/// ```
/// use refire_grpo::mask::quantile;
/// assert_eq!(quantile(vec![3.0, 1.0, 2.0, 4.0], 0.5), Some(2.5));
/// ```
pub fn quantile(mut values: Vec<f64>, q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let position = q.clamp(0.0, 1.0) * values.len().checked_sub(1)? as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    let (low, high) = (*values.get(below)?, *values.get(above)?);
    Some(low + (high - low) * (position - below as f64))
}
