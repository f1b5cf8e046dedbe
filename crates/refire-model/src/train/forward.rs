//! From a token batch to hidden states at its targets, and from flat statistics to `[rows, time]`.

use crate::{Decoder, ModelError, Rows};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;
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
    /// The batch as up to `shards` plans over different rows, of about equal size. Together their
    /// targets are those of the batch; each puts them at their places in the whole result.
    pub(crate) fn shards(
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
        shards: usize,
    ) -> Result<Vec<Self>, BoxError> {
        batch.validate()?;
        if let InputEdit::Noise { .. } = batch.input_edit {
            return Err(ModelError::InputEdit { edit: "noise" }.into());
        }
        let (found, expected) = (query.temperature.len(), batch.rows);
        if found != expected {
            let what = "temperatures of a query";
            return Err(ObjectiveError::Count { what, found, expected }.into());
        }
        let labels = batch.target_tokens()?;
        // Only segments with targets are read; their ancestors are part of their rows.
        let mut by_segment = vec![Vec::new(); batch.segments.len()];
        for (index, target) in batch.targets.iter().enumerate() {
            by_segment[target.segment].push(index);
        }
        let read: Vec<usize> =
            (0..by_segment.len()).filter(|s| !by_segment[*s].is_empty()).collect();
        let size = read.len().div_ceil(shards.max(1)).max(1);
        let plan = |segments: &[usize]| {
            let rows = Rows::new(segments.iter().map(|s| batch.expanded(*s)).collect());
            let width = rows.width();
            let mut plan = Self { result: [batch.rows, batch.width], ..Self::empty(rows) };
            for (row, segment) in segments.iter().enumerate() {
                let start = row * width + batch.offset(*segment);
                for index in &by_segment[*segment] {
                    let target = &batch.targets[*index];
                    plan.sources.push(start + target.position - 1);
                    plan.places.push(target.row * batch.width + target.column);
                    plan.labels.push(labels[*index]);
                    plan.temperature.push(query.temperature[target.row]);
                }
            }
            plan
        };
        if read.is_empty() {
            return Ok(vec![plan(&[])]);
        }
        Ok(read.chunks(size).map(plan).collect())
    }

    fn empty(rows: Rows) -> Self {
        Self {
            rows,
            sources: Vec::new(),
            places: Vec::new(),
            labels: Vec::new(),
            temperature: Vec::new(),
            result: [0, 0],
        }
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

/// Statistics of all shards in one result.
pub(crate) fn join(parts: impl IntoIterator<Item = TokenStats>) -> Option<TokenStats> {
    let add = |a: Option<Tensor<2>>, b: Option<Tensor<2>>| a.zip(b).map(|(a, b)| a + b);
    parts.into_iter().reduce(|a, b| TokenStats {
        logprobs: a.logprobs + b.logprobs,
        entropy: add(a.entropy, b.entropy),
        sum_sq: add(a.sum_sq, b.sum_sq),
        mean_logprob: add(a.mean_logprob, b.mean_logprob),
        full_kl: add(a.full_kl, b.full_kl),
    })
}

/// Statistics without gradient.
pub(crate) fn token_stats(
    decoder: &Decoder,
    batch: &TokenBatch,
    query: &HeadQuery<'_>,
    shards: usize,
) -> Result<TokenStats, BoxError> {
    let plans = Plan::shards(batch, query, shards)?;
    let stats = plans.par_iter().map(|plan| {
        if plan.is_empty() {
            return Ok(plan.zeros(query.needs, &decoder.head_weight().inner().device()));
        }
        let stats = plan.head(plan.hidden(decoder)?, decoder).stats(query.needs)?;
        Ok(plan.spread_all(stats))
    });
    let stats: Vec<TokenStats> = stats.collect::<Result<_, BoxError>>()?;
    join(stats).ok_or_else(|| ModelError::Weights { reason: "a batch without shards" }.into())
}

fn positions(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
