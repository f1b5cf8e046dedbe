//! From a token batch to hidden states at its targets, and from flat statistics to `[rows, time]`.

use crate::{Decoder, ModelError, Rows};
use burn::tensor::{Device, Int, Tensor, TensorData};
use refire_core::{BoxError, Needs};
use refire_objective::head::{Head, HeadStats, chunk_rows};
use refire_objective::{HeadQuery, InputEdit, ObjectiveError, TokenBatch, TokenStats};

/// A batch as the network reads it.
pub(crate) struct Plan {
    rows: Rows,
    /// Where each target's hidden state lies among `rows * width`.
    sources: Vec<usize>,
    /// Where each target goes among the result's `rows * width`.
    places: Vec<usize>,
    labels: Vec<u32>,
    temperature: Vec<f32>,
    result: [usize; 2],
}

impl Plan {
    pub(crate) fn new(batch: &TokenBatch, query: &HeadQuery<'_>) -> Result<Self, BoxError> {
        batch.validate()?;
        if let InputEdit::Noise { .. } = batch.input_edit {
            return Err(ModelError::InputEdit { edit: "noise" }.into());
        }
        let (found, expected) = (query.temperature.len(), batch.rows);
        if found != expected {
            let what = "temperatures of a query";
            return Err(ObjectiveError::Count { what, found, expected }.into());
        }
        // Only segments with targets are read; their ancestors are part of their rows.
        let mut row_of = vec![None; batch.segments.len()];
        let mut rows = Vec::new();
        for target in &batch.targets {
            if row_of[target.segment].is_none() {
                row_of[target.segment] = Some(rows.len());
                rows.push(batch.expanded(target.segment));
            }
        }
        let rows = Rows::new(rows);
        let width = rows.width();
        let source = |target: &refire_objective::Target| {
            let row = row_of[target.segment].unwrap_or(0);
            row * width + batch.offset(target.segment) + target.position - 1
        };
        Ok(Self {
            sources: batch.targets.iter().map(source).collect(),
            places: batch.targets.iter().map(|t| t.row * batch.width + t.column).collect(),
            labels: batch.target_tokens()?,
            temperature: batch.targets.iter().map(|t| query.temperature[t.row]).collect(),
            result: [batch.rows, batch.width],
            rows,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Hidden states at the targets, `[n, hidden]`, tracked if the decoder's weights are.
    pub(crate) fn hidden(&self, decoder: &Decoder) -> Result<Tensor<2>, ModelError> {
        let hidden = decoder.hidden(&self.rows)?;
        let sources = positions(&self.sources, &hidden.device());
        Ok(hidden.select(0, sources))
    }

    pub(crate) fn head(&self, hidden: Tensor<2>, decoder: &Decoder) -> Head<'_> {
        Head {
            hidden: hidden.inner(),
            weight: decoder.head_weight().inner(),
            labels: &self.labels,
            temperature: &self.temperature,
            chunk_rows: chunk_rows(decoder.config.vocab_size),
        }
    }

    /// Flat values `[n]` at their places in `[rows, time]`, 0 elsewhere.
    pub(crate) fn spread(&self, flat: Tensor<1>) -> Tensor<2> {
        let n = self.places.len();
        let mut from = vec![n; self.result[0] * self.result[1]];
        self.places.iter().enumerate().for_each(|(index, place)| from[*place] = index);
        let device = flat.device();
        let zero = Tensor::zeros([1], (&device, flat.dtype()));
        Tensor::cat(vec![flat, zero], 0).select(0, positions(&from, &device)).reshape(self.result)
    }

    /// The reverse of [`spread`](Self::spread).
    pub(crate) fn gather(&self, padded: Tensor<2>) -> Tensor<1> {
        let places = positions(&self.places, &padded.device());
        padded.flatten::<1>(0, 1).select(0, places)
    }

    /// Statistics of a batch without targets: zeros.
    pub(crate) fn zeros(&self, needs: Needs, device: &Device) -> TokenStats {
        let zero = || Tensor::<2>::zeros(self.result, device);
        TokenStats {
            logprobs: zero(),
            entropy: needs.entropy.then(zero),
            sum_sq: needs.sum_sq.then(zero),
            mean_logprob: needs.mean_logprob.then(zero),
            full_kl: None,
        }
    }

    pub(crate) fn spread_all(&self, stats: HeadStats) -> TokenStats {
        TokenStats {
            logprobs: self.spread(stats.logprobs),
            entropy: stats.entropy.map(|t| self.spread(t)),
            sum_sq: stats.sum_sq.map(|t| self.spread(t)),
            mean_logprob: stats.mean_logprob.map(|t| self.spread(t)),
            full_kl: None,
        }
    }
}

/// Statistics without gradient.
pub(crate) fn token_stats(
    decoder: &Decoder,
    batch: &TokenBatch,
    query: &HeadQuery<'_>,
) -> Result<TokenStats, BoxError> {
    let plan = Plan::new(batch, query)?;
    if plan.is_empty() {
        return Ok(plan.zeros(query.needs, &decoder.head_weight().inner().device()));
    }
    let stats = plan.head(plan.hidden(decoder)?, decoder).stats(query.needs)?;
    Ok(plan.spread_all(stats))
}

fn positions(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
