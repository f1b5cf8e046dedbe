//! From a token batch to hidden states at its targets, and from flat statistics to `[rows, time]`.

use super::chain::Chain;
use super::runs::Runs;
use crate::adapter::DropoutTokens;
use crate::decoder::{EmbeddingEdit, Packed};
use crate::{Decoder, ModelConfig, ModelError, Routing};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;
use refire_core::{BoxError, KlDirection, Needs, Purpose, Stream};
use refire_objective::head::{Head, HeadInput, HeadLayer, HeadStats};
use refire_objective::{HeadQuery, InputNoise, ObjectiveError, TokenBatch, TokenStats};

/// A batch as the network reads it.
pub(crate) struct Plan {
    packed: Packed,
    /// Segment of each run.
    segments: Vec<usize>,
    /// Noise on the embeddings.
    noise: Option<Noise>,
    /// Other tokens whose embeddings are mixed in, and their share.
    blend: Option<(Packed, f64)>,
    /// Where each target's hidden state lies among the packed tokens.
    sources: Vec<usize>,
    /// Where each target goes among the result's `rows * width`.
    places: Vec<usize>,
    /// Which of the batch's targets each is.
    targets: Vec<usize>,
    labels: Vec<u32>,
    temperature: Vec<f32>,
    result: [usize; 2],
}

/// What the draws of a pass of training are keyed by, beside each token's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draws {
    pub(crate) seed: u64,
    /// The optimiser's step.
    pub(crate) step: u64,
    /// Segments that were read for this step before.
    pub(crate) first: u64,
}

/// NEFTune's noise: uniform in `[-1, 1] * alpha / sqrt(length * hidden)`.
struct Noise {
    alpha: f64,
    seed: u64,
    /// Segment of each row, part of the draws' key.
    segments: Vec<usize>,
}

impl Plan {
    /// The batch as up to `shards` plans over different rows, of about equal size. Together their
    /// targets are those of the batch; each puts them at their places in the whole result.
    pub(crate) fn shards(
        batch: &TokenBatch,
        temperature: &[f32],
        shards: usize,
        config: &ModelConfig,
    ) -> Result<Vec<Self>, BoxError> {
        batch.validate()?;
        let (found, expected) = (temperature.len(), batch.rows);
        if found != expected {
            let what = "temperatures of a query";
            return Err(ObjectiveError::Count { what, found, expected }.into());
        }
        let labels = batch.target_tokens()?;
        // Only segments with targets are read, and what they continue.
        let mut by_segment = vec![Vec::new(); batch.segments.len()];
        for (index, target) in batch.targets.iter().enumerate() {
            by_segment[target.segment].push(index);
        }
        let read: Vec<usize> =
            (0..by_segment.len()).filter(|s| !by_segment[*s].is_empty()).collect();
        let size = read.len().div_ceil(shards.max(1)).max(1);
        let plan = |segments: &[usize]| -> Result<Self, BoxError> {
            let runs = Runs::new(batch, segments, config);
            let mut plan = Self {
                result: [batch.rows, batch.width],
                noise: noise(batch, segments),
                blend: runs.blend(batch)?,
                ..Self::empty(runs.read(batch)?)
            };
            plan.segments = runs.segments().to_vec();
            for segment in segments {
                for index in &by_segment[*segment] {
                    let target = &batch.targets[*index];
                    plan.sources.push(runs.source(batch, target, &plan.packed.layout));
                    plan.places.push(target.row * batch.width + target.column);
                    plan.targets.push(*index);
                    plan.labels.push(labels[*index]);
                    plan.temperature.push(temperature[target.row]);
                }
            }
            Ok(plan)
        };
        if read.is_empty() {
            return Ok(vec![plan(&[])?]);
        }
        read.chunks(size).map(plan).collect()
    }

    fn empty(packed: Packed) -> Self {
        Self {
            packed,
            segments: Vec::new(),
            noise: None,
            blend: None,
            sources: Vec::new(),
            places: Vec::new(),
            targets: Vec::new(),
            labels: Vec::new(),
            temperature: Vec::new(),
            result: [0, 0],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Hidden states at the targets, `[n, hidden]`, as the head reads them.
    pub(crate) fn hidden(&self, decoder: &Decoder) -> Result<Tensor<2>, ModelError> {
        let noise = self.noise.as_ref().map(|noise| noise.tensor(&self.packed, decoder));
        let edit = EmbeddingEdit { blend: self.blend.as_ref(), noise };
        Ok(decoder.head_input(self.at_targets(decoder.packed(&self.packed, edit)?.0)))
    }

    /// The pass of a decoder that is in training, and how tokens were sent to experts.
    pub(super) fn chain(
        &self,
        decoder: &Decoder,
        recompute: bool,
    ) -> Result<(Chain, Option<Routing>), ModelError> {
        let noise = self.noise.as_ref().map(|noise| noise.tensor(&self.packed, decoder));
        let edit = EmbeddingEdit { blend: self.blend.as_ref(), noise };
        Chain::forward(decoder.clone(), &self.packed, edit, recompute)
    }

    /// Of all hidden states, those before the targets.
    pub(super) fn at_targets(&self, hidden: Tensor<2>) -> Tensor<2> {
        let sources = positions(&self.sources, &hidden.device());
        hidden.select(0, sources)
    }

    /// A decoder for one pass of training over these tokens: what its adapter drops is theirs. A
    /// token is known by its segment and its place in the row, so that shards draw alike.
    pub(super) fn dropping(&self, decoder: Decoder, draws: &Draws) -> Decoder {
        let tokens = || {
            let layout = &self.packed.layout;
            let run = |(run, segment): (usize, &usize)| {
                let (first, id) = (layout.position(run), draws.first + *segment as u64);
                (first..first + layout.places(run).len()).map(move |at| (id, at as u64))
            };
            let places = self.segments.iter().enumerate().flat_map(run).collect();
            DropoutTokens { seed: draws.seed, step: draws.step, places }
        };
        decoder.dropping(tokens, &self.sources)
    }

    /// The reverse for gradients.
    pub(super) fn spread_targets(&self, grad: Tensor<2>) -> Tensor<2> {
        let shape = [self.packed.len(), grad.dims()[1]];
        let all = Tensor::zeros(shape, (&grad.device(), grad.dtype()));
        let sources: Vec<u32> = self.sources.iter().map(|source| *source as u32).collect();
        refire_kernels::add_rows(all, &sources, grad)
    }

    /// The head over these targets; `reference` covers those of the whole batch.
    pub(crate) fn head(
        &self,
        hidden: Tensor<2>,
        decoder: &Decoder,
        reference: Option<&HeadInput>,
    ) -> Head<'_> {
        let reference = reference.map(|all| HeadInput {
            hidden: all.hidden.clone().select(0, positions(&self.targets, &hidden.device())),
            layer: all.layer.clone(),
        });
        let head = Head::new(hidden, layer(decoder), &self.labels, &self.temperature);
        Head { reference, ..head }
    }

    /// Flat values `[n]` at their places in `[rows, time]`, 0 elsewhere.
    pub(crate) fn spread(&self, flat: Tensor<1>) -> Tensor<2> {
        let n = self.places.len();
        let mut from = vec![n; self.result[0] * self.result[1]];
        self.places.iter().enumerate().for_each(|(index, place)| from[*place] = index);
        let device = flat.device();
        // As data: burn's fusion may leave a `zeros` of another shape than its neighbours unwritten.
        let zero = Tensor::from_data([0.0], (&device, flat.dtype()));
        Tensor::cat(vec![flat, zero], 0).select(0, positions(&from, &device)).reshape(self.result)
    }

    /// The reverse of [`spread`](Self::spread).
    pub(crate) fn gather(&self, padded: Tensor<2>) -> Tensor<1> {
        let places = positions(&self.places, &padded.device());
        padded.flatten::<1>(0, 1).select(0, places)
    }

    /// Statistics of a batch without targets: zeros.
    pub(crate) fn zeros(&self, needs: Needs, device: &Device) -> TokenStats {
        TokenStats::filled(needs, || Tensor::<2>::zeros(self.result, device))
    }

    pub(crate) fn spread_all(&self, stats: HeadStats) -> TokenStats {
        stats.map(|flat| self.spread(flat))
    }
}

impl Noise {
    /// `[n, hidden]`; each token has draws of its own, whatever else is in the batch.
    fn tensor(&self, packed: &Packed, decoder: &Decoder) -> Tensor<2> {
        let hidden = decoder.config.hidden_size;
        let mut values = vec![0.0_f32; packed.len() * hidden];
        for (row, segment) in self.segments.iter().enumerate() {
            let places = packed.layout.places(row);
            let scale = self.alpha / ((places.len() * hidden) as f64).sqrt();
            let tokens = &mut values[places.start * hidden..places.end * hidden];
            for (position, token) in tokens.chunks_exact_mut(hidden).enumerate() {
                let (purpose, id) = (Purpose::named("neftune"), *segment as u64);
                let mut draws = Stream::new(self.seed, purpose, 0, id, position as u64);
                token.iter_mut().for_each(|x| *x = ((2.0 * draws.uniform() - 1.0) * scale) as f32);
            }
        }
        let data = TensorData::new(values, [packed.len(), hidden]);
        Tensor::from_data(data, &decoder.model.embed_tokens.weight.val().inner().device())
    }
}

fn noise(batch: &TokenBatch, segments: &[usize]) -> Option<Noise> {
    let InputNoise { alpha, seed } = batch.input_edit.noise?;
    Some(Noise { alpha, seed, segments: segments.to_vec() })
}

/// The decoder's last layer, untracked.
pub(crate) fn layer(decoder: &Decoder) -> HeadLayer {
    let head = decoder.head();
    HeadLayer { weight: head.weight.inner(), thin: head.thin.map(Tensor::inner), ..head }
}

/// Statistics of all shards in one result.
pub(crate) fn join(parts: impl IntoIterator<Item = TokenStats>) -> Option<TokenStats> {
    parts.into_iter().reduce(|a, b| a.zip(b, |a, b| a + b))
}

/// The reference's side of a divergence, if one is asked for.
pub(crate) fn reference(
    batch: &TokenBatch,
    query: &HeadQuery<'_>,
) -> Result<Option<HeadInput>, BoxError> {
    match (query.needs.full_kl, query.reference) {
        (Some(direction), Some(reference)) => {
            check(direction)?;
            reference.head_input(batch).map(Some)
        }
        _ => Ok(None),
    }
}

fn check(direction: KlDirection) -> Result<(), ObjectiveError> {
    match direction {
        KlDirection::JensenShannon { beta } if !(beta > 0.0 && beta < 1.0) => {
            let (field, expected) = ("beta", "strictly between 0 and 1");
            Err(ObjectiveError::OutOfRange { field, value: beta.to_string(), expected })
        }
        _ => Ok(()),
    }
}

/// Statistics without gradient.
pub(crate) fn token_stats(
    decoder: &Decoder,
    batch: &TokenBatch,
    query: &HeadQuery<'_>,
    shards: usize,
) -> Result<TokenStats, BoxError> {
    let plans = Plan::shards(batch, query.temperature, shards, &decoder.config)?;
    let reference = reference(batch, query)?;
    let stats = plans.par_iter().map(|plan| {
        if plan.is_empty() {
            return Ok(plan.zeros(query.needs, &decoder.head_weight().inner().device()));
        }
        let head = plan.head(plan.hidden(decoder)?, decoder, reference.as_ref());
        Ok(plan.spread_all(head.stats(query.needs)?))
    });
    let stats: Vec<TokenStats> = stats.collect::<Result<_, BoxError>>()?;
    join(stats).ok_or_else(|| ModelError::Weights { reason: "a batch without shards" }.into())
}

/// Hidden states at the batch's targets, in their order, and the head.
pub(crate) fn head_input(
    decoder: &Decoder,
    batch: &TokenBatch,
    shards: usize,
) -> Result<HeadInput, BoxError> {
    let plans = Plan::shards(batch, &vec![1.0; batch.rows], shards, &decoder.config)?;
    let plans: Vec<_> = plans.into_iter().filter(|plan| !plan.is_empty()).collect();
    let layer = layer(decoder);
    let rank = layer.thin.as_ref().map_or(0, |thin| thin.dims()[1]);
    let (device, width) = (layer.weight.device(), decoder.config.hidden_size + rank);
    if plans.is_empty() {
        return Ok(HeadInput { hidden: Tensor::zeros([0, width], &device), layer });
    }
    let hidden = plans.par_iter().map(|plan| plan.hidden(decoder));
    let hidden = Tensor::cat(hidden.collect::<Result<Vec<_>, _>>()?, 0);
    let mut order = vec![0; batch.targets.len()];
    let read = plans.iter().flat_map(|plan| &plan.targets);
    read.enumerate().for_each(|(place, target)| order[*target] = place);
    Ok(HeadInput { hidden: hidden.select(0, positions(&order, &device)), layer })
}

fn positions(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
