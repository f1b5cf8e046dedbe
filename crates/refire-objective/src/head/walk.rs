use super::chunk::Chunk;
use super::sink::GradSink;
use super::{Head, HeadGrads, HeadStats};
use crate::ObjectiveError;
use refire_core::Needs;

/// A first walk over a head whose gradient is asked for afterwards. Where one chunk holds all
/// targets, its logits are kept for that; otherwise they are made again.
pub struct Walk<'a> {
    head: &'a Head<'a>,
    needs: Needs,
    stats: HeadStats,
    kept: Option<Chunk<'a>>,
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("needs", &self.needs).finish_non_exhaustive()
    }
}

impl Head<'_> {
    /// Statistics of all targets, and what their gradient is made of.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_core::Needs;
    /// use refire_objective::head::{Head, HeadLayer, HeadStats};
    /// let device = Device::flex();
    /// let hidden = Tensor::from_data([[1.0, 0.0]], &device);
    /// let layer = HeadLayer::new(Tensor::zeros([4, 2], &device));
    /// let head = Head::new(hidden, layer, &[2], &[1.0]);
    /// let walk = head.walk(Needs::NONE)?;
    /// assert_eq!(walk.stats().logprobs.dims(), [1]);
    /// let grads = walk.backward(&HeadStats::from_logprobs(Tensor::ones([1], &device)), true)?;
    /// // 1 - p of the label, times the hidden state.
    /// let weight = grads.weight.map(|w| w.into_data().iter::<f32>().nth(4));
    /// assert_eq!(weight, Some(Some(0.75)));
    /// # Ok::<(), refire_objective::ObjectiveError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`stats`](Self::stats).
    pub fn walk(&self, needs: Needs) -> Result<Walk<'_>, ObjectiveError> {
        self.check(needs)?;
        let (mut stats, mut kept) = (Vec::new(), None);
        for rows in self.chunks() {
            let whole = rows.len() == self.labels.len();
            let chunk = self.chunk(rows);
            stats.push(chunk.stats(needs));
            kept = whole.then_some(chunk);
        }
        Ok(Walk { head: self, needs, stats: self.join(stats, needs), kept })
    }
}

impl Walk<'_> {
    /// The statistics.
    pub fn stats(&self) -> &HeadStats {
        &self.stats
    }

    /// As [`Head::backward`].
    ///
    /// # Errors
    /// As for [`Head::stats`].
    pub fn backward(
        self,
        grads: &HeadStats,
        with_layer: bool,
    ) -> Result<HeadGrads, ObjectiveError> {
        let Self { head, needs, kept, .. } = self;
        let Some(chunk) = kept else { return head.backward(needs, grads, with_layer) };
        let mut sink = GradSink::new(&head.layer, with_layer);
        sink.add(chunk, needs, grads.clone());
        Ok(sink.finish(&head.hidden))
    }
}
