use crate::decoder::Packed;
use crate::{MlpSpec, ModelConfig, ModelError};
use refire_kernels::{Layout, Run};
use refire_objective::{Target, TokenBatch};
use std::sync::Arc;

/// Which segments of a batch become which runs of packed tokens.
pub(super) struct Runs {
    /// Segment of each run.
    segments: Vec<usize>,
    /// Run of each of the batch's segments that is one.
    of_segment: Vec<Option<usize>>,
    /// Length of the row that each run belongs to.
    lengths: Vec<usize>,
    /// Whether what several segments continue is one run; otherwise each has it in front of its
    /// own tokens.
    shared: bool,
}

impl Runs {
    /// The runs for some segments with targets.
    pub(super) fn new(batch: &TokenBatch, read: &[usize], config: &ModelConfig) -> Self {
        let shared = shares(batch, read, config);
        let mut of_segment = vec![None; batch.segments.len()];
        let mut wanted = vec![false; batch.segments.len()];
        for segment in read {
            let mut at = Some(*segment);
            while let Some(segment) = at.filter(|segment| !wanted[*segment]) {
                wanted[segment] = true;
                at = batch.segments[segment].parent.filter(|_| shared);
            }
        }
        let segments: Vec<usize> = (0..wanted.len()).filter(|s| wanted[*s]).collect();
        segments.iter().enumerate().for_each(|(run, segment)| of_segment[*segment] = Some(run));
        let lengths = segments.iter().map(|segment| length(batch, *segment)).collect();
        Self { segments, of_segment, lengths, shared }
    }

    /// The tokens that are read.
    pub(super) fn read(&self, batch: &TokenBatch) -> Result<Packed, ModelError> {
        let tokens = self.segments.iter().map(|segment| match self.shared {
            true => batch.read(*segment).to_vec(),
            false => batch.expanded(*segment),
        });
        self.packed(batch, tokens.collect())
    }

    /// The tokens whose embeddings are mixed in, and their share.
    pub(super) fn blend(&self, batch: &TokenBatch) -> Result<Option<(Packed, f64)>, ModelError> {
        let Some(blend) = &batch.input_edit.blend else { return Ok(None) };
        let tokens = self.segments.iter().map(|segment| match self.shared {
            true => blend.tokens[*segment].clone(),
            false => batch.blended(*segment).unwrap_or_default(),
        });
        Ok(Some((self.packed(batch, tokens.collect())?, blend.share)))
    }

    fn packed(&self, batch: &TokenBatch, tokens: Vec<Vec<u32>>) -> Result<Packed, ModelError> {
        let runs = self.segments.iter().zip(&tokens).map(|(segment, tokens)| {
            let parent = batch.segments[*segment].parent.filter(|_| self.shared);
            Run { len: tokens.len(), parent: parent.and_then(|parent| self.of_segment[parent]) }
        });
        let layout = Arc::new(Layout::new(runs.collect()).map_err(ModelError::Kernel)?);
        Ok(Packed { tokens: tokens.concat(), layout, lengths: self.lengths.clone() })
    }

    /// Where the token right before a target lies. Every target has one: batches are checked.
    pub(super) fn source(&self, batch: &TokenBatch, target: &Target, layout: &Layout) -> usize {
        let start =
            |segment: usize| self.of_segment[segment].map_or(0, |run| layout.places(run).start);
        if !self.shared {
            return start(target.segment) + batch.offset(target.segment) + target.position - 1;
        }
        let (mut segment, mut position) = (target.segment, target.position);
        while let (0, Some(parent)) = (position, batch.segments[segment].parent) {
            (segment, position) = (parent, batch.segments[parent].tokens.len());
        }
        start(segment) + position.saturating_sub(1)
    }
}

/// Whether tokens that several rows begin with may be read once, with the same result: not where
/// they have noise of their own in each row, are counted by a router, or are turned otherwise in
/// longer rows.
fn shares(batch: &TokenBatch, read: &[usize], config: &ModelConfig) -> bool {
    let (ropes, _) = config.ropes();
    let border = ropes.iter().filter_map(crate::Rope::border).min().unwrap_or(usize::MAX);
    let experts = config.layers.iter().any(|layer| matches!(layer.mlp, MlpSpec::Experts(_)));
    batch.input_edit.noise.is_none()
        && !experts
        && read.iter().all(|segment| length(batch, *segment) <= border)
}

fn length(batch: &TokenBatch, segment: usize) -> usize {
    batch.offset(segment) + batch.segments[segment].tokens.len()
}
