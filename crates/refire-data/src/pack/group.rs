use crate::DataError;
use refire_core::Stream;

/// An order in which the sequences of a batch have similar lengths, yet batches come mixed: indices
/// are shuffled, cut into runs of `batch * runs` and each run is sorted by falling length. The
/// longest sequence of all comes first, so that too little memory shows at once. Follows
/// Hugging Face's `group_by_length`, where `runs` is 50.
///
/// ```
/// use refire_core::{Purpose, Stream};
/// let order = refire_data::group_by_length(&[3, 9, 1, 4], 2, 50, Stream::new(0, Purpose::DATA, 0, 0, 0))?;
/// assert_eq!(order, [1, 3, 0, 2]);
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// When `batch` or `runs` is 0.
pub fn group_by_length(
    lengths: &[usize],
    batch: usize,
    runs: usize,
    mut stream: Stream,
) -> Result<Vec<usize>, DataError> {
    for (field, value) in [("batch", batch), ("runs", runs)] {
        if value == 0 {
            return Err(DataError::out_of_range(field, value, "at least 1"));
        }
    }
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    stream.shuffle(&mut order);
    for run in order.chunks_mut(batch.saturating_mul(runs)) {
        run.sort_by_key(|index| std::cmp::Reverse(lengths[*index]));
    }
    // Each run begins with its longest; swap the run that has the longest of all to the front.
    let longest = (0..order.len()).max_by_key(|at| (lengths[order[*at]], std::cmp::Reverse(*at)));
    if let Some(at) = longest {
        order.swap(0, at);
    }
    Ok(order)
}
