use crate::DataError;

/// Batches of sequences (indices), each within a budget of tokens.
///
/// Sequences are taken in the given order. With `padded`, a batch costs its longest sequence times
/// its size; otherwise the sum of its lengths. Sort by length before to waste less padding.
///
/// ```
/// let batches = refire_data::token_budget(&[4, 4, 2, 3], 8, true)?;
/// assert_eq!(batches, [vec![0, 1], vec![2, 3]]);
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// When a single sequence is over the budget.
pub fn token_budget(
    lengths: &[usize],
    budget: usize,
    padded: bool,
) -> Result<Vec<Vec<usize>>, DataError> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let (mut longest, mut sum) = (0, 0);
    for (index, &length) in lengths.iter().enumerate() {
        if length > budget {
            let value = format!("{length} tokens in sequence {index}");
            return Err(DataError::OutOfRange {
                field: "lengths",
                value,
                expected: "at most the budget; truncate or leave out longer ones",
            });
        }
        let size = batches.last().map_or(0, Vec::len) + 1;
        let cost = if padded { longest.max(length) * size } else { sum + length };
        match batches.last_mut() {
            Some(batch) if cost <= budget => batch.push(index),
            _ => {
                batches.push(vec![index]);
                (longest, sum) = (0, 0);
            }
        }
        longest = longest.max(length);
        sum += length;
    }
    Ok(batches)
}
