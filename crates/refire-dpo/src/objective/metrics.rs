use super::pairs::Pairs;
use super::rows::Rows;
use crate::DpoError;
use crate::stable::pick;
use burn::tensor::Tensor;
use refire_core::Metric;

/// Name, sum `[1]` and weight of a mean; no weight: the number of visible tokens.
pub(super) type Named = (&'static str, Tensor<1>, Option<f64>);

/// The metrics of pairs by their names in TRL, from rewards `[rows]`, in one read from the device.
///
/// `rewards/chosen`, `rewards/rejected`, `rewards/accuracies` (strictly above), `rewards/margins`,
/// `logps/chosen`, `logps/rejected`, and `entropy` per token where it was computed.
pub(super) fn of_pairs(
    rows: &Rows<'_>,
    pairs: &Pairs,
    rewards: &Tensor<1>,
    logps: &Tensor<1>,
) -> Result<Vec<Metric>, DpoError> {
    let side = |x: &Tensor<1>, places: &[usize]| pick(&x.clone().detach(), places);
    let (chosen, rejected) = (side(rewards, &pairs.chosen), side(rewards, &pairs.rejected));
    let won = chosen.clone().greater(rejected.clone()).float().cast(chosen.dtype());
    let columns = [
        ("rewards/chosen", chosen.clone()),
        ("rewards/rejected", rejected.clone()),
        ("rewards/accuracies", won),
        ("rewards/margins", chosen - rejected),
        ("logps/chosen", side(logps, &pairs.chosen)),
        ("logps/rejected", side(logps, &pairs.rejected)),
    ];
    let count = pairs.len() as f64;
    let mut named: Vec<Named> =
        columns.into_iter().map(|(name, x)| (name, x.sum(), Some(count))).collect();
    named.extend(tokens(rows)?);
    Ok(means(named, &rows.lengths))
}

/// The entropy per token, if there is one.
pub(super) fn tokens(rows: &Rows<'_>) -> Result<Option<Named>, DpoError> {
    Ok(rows.entropy()?.map(|entropy| ("entropy", entropy.detach().sum(), None)))
}

/// Sums `[1]` as means, in one read from the device.
pub(super) fn means(named: Vec<Named>, lengths: &Tensor<1>) -> Vec<Metric> {
    let tokens = lengths.clone().detach().sum();
    let sums = named.iter().map(|(_, sum, _)| sum.clone().detach()).chain([tokens]);
    let sums: Vec<f64> = Tensor::cat(sums.collect(), 0).into_data().iter::<f64>().collect();
    let tokens = sums.last().copied().unwrap_or(0.0);
    let metric = |((name, _, weight), sum): (&Named, &f64)| {
        Metric::mean(*name, *sum, weight.unwrap_or(tokens))
    };
    named.iter().zip(&sums).map(metric).collect()
}
