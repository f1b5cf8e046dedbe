/// The k-th largest value in one pass, with memory for `2 k` values; `k` from 1 to the number.
pub(super) fn kth_largest(values: &[f32], k: usize, largest: &mut Vec<f32>) -> f32 {
    let shrink = |largest: &mut Vec<f32>| {
        let (_, kth, _) = largest.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        let kth = *kth;
        largest.truncate(k);
        kth
    };
    largest.clear();
    let mut floor = f32::NEG_INFINITY;
    for value in values {
        if *value > floor || largest.len() < k {
            largest.push(*value);
            if largest.len() == 2 * k {
                floor = shrink(largest);
            }
        }
    }
    shrink(largest)
}

/// Forbids the tokens that `drop` says, but never the `min_keep` largest or ties with the last of
/// them.
pub(super) fn drop_where(
    logits: &mut [f32],
    min_keep: usize,
    largest: &mut Vec<f32>,
    drop: impl Fn(f32) -> bool,
) {
    if min_keep >= logits.len() {
        return;
    }
    let stays = kth_largest(logits, min_keep.max(1), largest);
    let goes = |x: &&mut f32| **x < stays && drop(**x);
    logits.iter_mut().filter(goes).for_each(|x| *x = f32::NEG_INFINITY);
}
