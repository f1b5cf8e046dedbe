//! Several rewards as one: TRL's `sum_then_normalize`, before the normalising.
//!
//! ```text
//! R_i = sum_k w_k R_ik        over the rewards k that gave row i a value
//! ```

use crate::GrpoError;

/// The weighted sum for each row; `parts[k][i]` is reward `k` of row `i`.
///
/// A reward without a value is skipped; a row without any has no sum.
///
/// ```
/// use refire_grpo::advantage::weighted_sum;
/// let (correct, short) = (vec![Some(1.0), Some(0.0), None], vec![None, Some(4.0), None]);
/// assert_eq!(weighted_sum(&[correct, short], &[1.0, 0.5])?, [Some(1.0), Some(2.0), None]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When there isn't one weight per reward, or rewards differ in their number of rows.
pub fn weighted_sum(
    parts: &[Vec<Option<f64>>],
    weights: &[f64],
) -> Result<Vec<Option<f64>>, GrpoError> {
    let rows = check(parts, weights)?;
    let sum = |row: usize| {
        let terms = parts.iter().zip(weights).filter_map(|(part, w)| Some(part[row]? * w));
        terms.reduce(|a, b| a + b)
    };
    Ok((0..rows).map(sum).collect())
}

/// The number of rows, if everything fits.
fn check(parts: &[Vec<Option<f64>>], weights: &[f64]) -> Result<usize, GrpoError> {
    let expected = parts.first().map_or(0, Vec::len);
    let count = |what, found, expected| {
        if found == expected { Ok(()) } else { Err(GrpoError::Count { what, found, expected }) }
    };
    count("weights of rewards", weights.len(), parts.len())?;
    parts.iter().try_for_each(|part| count("rows of a reward", part.len(), expected))?;
    Ok(expected)
}
