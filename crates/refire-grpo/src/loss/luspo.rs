//! LUSPO: GSPO without its preference for short rows.
//!
//! ```text
//! loss_i = |o_i| max(-A_i s_i, -A_i clip(s_i, 1 - low, 1 + high))
//! ```
//!
//! GSPO divides a row's gradient by its length; here the length is multiplied back, which is the
//! sum over tokens of [`gspo`]'s loss: [`Aggregation::SeqMeanTokenSum`] over all rows. TRL's
//! `loss_type="luspo"` since 1.16 (its snapshot of July 2026 averages over padding where the KL
//! makes the loss per token).

use super::{ClipRange, gspo};
use burn::tensor::Tensor;
use refire_objective::{Aggregation, Counts, RowCount};

/// The loss of a batch, `[1]`: its share of the step's with `counts`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{ClipRange, luspo};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -1.0], [-1.0, 0.0]], &device);
/// let mask = Tensor::<2>::from_data([[1.0, 1.0], [1.0, 0.0]], &device);
/// let advantages = Tensor::<2>::from_data([[1.0], [-1.0]], &device);
/// let loss = luspo(logprobs.clone(), logprobs, advantages, mask, ClipRange::default(), None);
/// assert_eq!(loss.into_scalar::<f32>(), -0.5);
/// ```
pub fn luspo(
    logprobs: Tensor<2>,
    old_logprobs: Tensor<2>,
    advantages: Tensor<2>,
    mask: Tensor<2>,
    clip_range: ClipRange,
    counts: Option<&Counts>,
) -> Tensor<1> {
    let loss = gspo(logprobs, old_logprobs, advantages, mask.clone(), clip_range);
    Aggregation::SeqMeanTokenSum { rows: RowCount::All }.reduce(loss, mask, counts)
}
