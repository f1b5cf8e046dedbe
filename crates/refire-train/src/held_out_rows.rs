use crate::MicroBatch;
use crate::batcher::{row_batch, split};
use refire_core::{BoxError, Metric, Metrics, Needs, Row};
use refire_objective::{HeadQuery, Policy};

/// Mean negative log-probability, in nats, of the learned tokens of rows that nothing is trained
/// on; every token counts alike, whatever its weight in training.
pub(crate) fn loss(
    policy: &dyn Policy,
    rows: &[Row],
    limits: MicroBatch,
) -> Result<Metrics, BoxError> {
    let units = (0..rows.len()).map(|row| row..row + 1).collect();
    let mut metrics = Metrics::default();
    for part in split(units, |row| rows[row].tokens.len(), limits, "row")? {
        let chosen: Vec<&Row> = part.iter().map(|row| &rows[*row]).collect();
        let (batch, targets) = row_batch(&chosen, &policy.device());
        let temperature = vec![1.0; chosen.len()];
        let query = HeadQuery::new(Needs::NONE, &temperature);
        let logprobs = policy.token_stats(&batch, &query)?.logprobs;
        let sum: f32 = (logprobs * targets.mask).sum().into_scalar();
        let tokens = batch.targets.len() as f64;
        metrics.add(Metric::mean("eval_loss", -f64::from(sum), tokens));
    }
    Ok(metrics)
}
