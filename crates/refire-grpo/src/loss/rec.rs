//! REC: REINFORCE with clipping as a mask, and what may go with it.
//!
//! ```text
//! loss = -keep weight A logprob + regulariser
//! keep    none        all tokens
//!         one_side    r <= 1 + high if A >= 0,  r >= 1 - low if A <= 0
//!         two_side    1 - low <= r <= 1 + high
//!         ring        two_side, or r <= 1 - low' if A >= 0, or r >= 1 + high' if A <= 0
//! weight  none 1,  importance sg(r),  advantage exp(A / temperature)
//! regulariser   k2 coef (logprob - base)^2,   forward_kl -coef logprob
//! ```
//!
//! "Group-Relative REINFORCE Is Secretly an Off-Policy Algorithm" (arXiv 2509.24203); Trinity. A
//! token that is off in the direction its advantage points away from (the outer part of the ring)
//! is harmless to keep. With [`RatioLevel::Sequence`](super::RatioLevel) the one-sided form with
//! importance weights is Trinity's `gspo-one-side`. Trinity absorbs Kimi's 1/2 into its `k2`.

use super::ClipRange;
use super::surrogate::{
    Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, each, not_negative, positive,
};
use crate::GrpoError;
use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

/// Which tokens stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecClip {
    /// All.
    #[default]
    None,
    /// Those that PPO's clip would leave a gradient.
    OneSide,
    /// Those within the range.
    TwoSide,
    /// Those within the range, and those far out on the harmless side.
    Ring,
}

/// What multiplies the loss.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RecWeight {
    /// Nothing.
    #[default]
    None,
    /// The ratio, as a constant.
    Importance,
    /// `exp(A / temperature)`.
    Advantage {
        /// Larger ones weigh more evenly.
        temperature: f64,
    },
}

/// What is added to the loss.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RecRegularizer {
    /// Nothing.
    #[default]
    None,
    /// `coef (logprob - base_logprob)^2`: Kimi k1.5's.
    K2 {
        /// Its weight.
        coef: f64,
    },
    /// `-coef logprob`: AsymRE's, the forward KL from the sampler.
    ForwardKl {
        /// Its weight.
        coef: f64,
    },
}

/// Settings of [`rec`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rec {
    /// Which tokens stay.
    pub clip: RecClip,
    /// The inner range.
    pub clip_range: ClipRange,
    /// Where the ring begins again.
    pub ring: ClipRange,
    /// What multiplies the loss.
    pub weight: RecWeight,
    /// What is added to it.
    pub regularizer: RecRegularizer,
}

impl Default for Rec {
    /// Trinity's: no clip and no weight; 0.2 and a ring from (0.6, 2).
    fn default() -> Self {
        Self {
            clip: RecClip::None,
            clip_range: ClipRange::default(),
            ring: ClipRange { low: 0.6, high: 2.0 },
            weight: RecWeight::None,
            regularizer: RecRegularizer::None,
        }
    }
}

/// `[batch, time]`; `advantages` may also be `[batch, 1]`. The ratio's gradient is not used.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Rec, RecClip, rec};
/// let device = Device::flex();
/// let now = Tensor::<2>::from_data([[-1.0, -1.0]], &device);
/// let base = Tensor::<2>::from_data([[-1.1, -3.0]], &device);
/// let config = Rec { clip: RecClip::TwoSide, ..Rec::default() };
/// let ratio = (now.clone() - base.clone()).exp();
/// let loss = rec(now, base, ratio, Tensor::ones([1, 1], &device), &config);
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn rec(
    logprobs: Tensor<2>,
    base_logprobs: Tensor<2>,
    ratio: Tensor<2>,
    advantages: Tensor<2>,
    config: &Rec,
) -> Tensor<2> {
    let advantages = advantages.expand(logprobs.dims());
    let ratio = ratio.detach();
    let out = config.outside(ratio.clone(), advantages.clone());
    let weighted = match config.weight {
        RecWeight::None => advantages,
        RecWeight::Importance => advantages * ratio.mask_fill(out.clone(), 1.0),
        RecWeight::Advantage { temperature } => {
            (advantages.clone() * temperature.recip()).exp() * advantages
        }
    };
    let loss = (weighted * logprobs.clone()).neg().mask_fill(out, 0.0);
    match config.regularizer {
        RecRegularizer::None => loss,
        RecRegularizer::K2 { coef } => {
            let moved = logprobs - base_logprobs.detach();
            loss + moved.clone() * moved * coef
        }
        RecRegularizer::ForwardKl { coef } => loss - logprobs * coef,
    }
}

impl Rec {
    fn outside(&self, ratio: Tensor<2>, advantages: Tensor<2>) -> Tensor<2, Bool> {
        let ClipRange { low, high } = self.clip_range;
        let good = advantages.clone().greater_equal_scalar(0.0);
        let bad = advantages.lower_equal_scalar(0.0);
        let under_top = ratio.clone().lower_equal_scalar(1.0 + high);
        let over_bottom = ratio.clone().greater_equal_scalar(1.0 - low);
        let two_side = under_top.clone().bool_and(over_bottom.clone());
        let keep = match self.clip {
            RecClip::None => under_top.clone().bool_or(under_top.bool_not()),
            RecClip::TwoSide => two_side,
            RecClip::OneSide => good.bool_and(under_top).bool_or(bad.bool_and(over_bottom)),
            RecClip::Ring => {
                let far_below = ratio.clone().lower_equal_scalar(1.0 - self.ring.low);
                let far_above = ratio.greater_equal_scalar(1.0 + self.ring.high);
                two_side.bool_or(good.bool_and(far_below)).bool_or(bad.bool_and(far_above))
            }
        };
        keep.bool_not()
    }

    fn keeps(&self, ratio: f64, advantage: f64) -> bool {
        let ClipRange { low, high } = self.clip_range;
        let (under_top, over_bottom) = (ratio <= 1.0 + high, ratio >= 1.0 - low);
        match self.clip {
            RecClip::None => true,
            RecClip::TwoSide => under_top && over_bottom,
            RecClip::OneSide => {
                (advantage >= 0.0 && under_top) || (advantage <= 0.0 && over_bottom)
            }
            RecClip::Ring => {
                (under_top && over_bottom)
                    || (advantage >= 0.0 && ratio <= 1.0 - self.ring.low)
                    || (advantage <= 0.0 && ratio >= 1.0 + self.ring.high)
            }
        }
    }
}

impl Surrogate for Rec {
    fn name(&self) -> &'static str {
        "rec"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let weight = match self.weight {
            RecWeight::Advantage { temperature } => positive("rec.weight.temperature", temperature),
            RecWeight::None | RecWeight::Importance => None,
        };
        let regularizer = match self.regularizer {
            RecRegularizer::K2 { coef } | RecRegularizer::ForwardKl { coef } => {
                not_negative("rec.regularizer.coef", coef)
            }
            RecRegularizer::None => None,
        };
        let ring = self.clip != RecClip::Ring
            || (self.ring.low >= self.clip_range.low && self.ring.high >= self.clip_range.high);
        let shown = format!("{:?}", self.ring);
        let ring = GrpoError::unless(ring, "rec.ring", shown, "at least as wide as clip_range");
        let range = self.clip_range.validate().into_iter();
        range.chain(weight).chain(regularizer).chain(ring).collect()
    }

    fn on_policy(&self) -> Option<f64> {
        let plain = !matches!(self.weight, RecWeight::Advantage { .. })
            && !matches!(self.regularizer, RecRegularizer::ForwardKl { .. });
        plain.then_some(1.0)
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        let (now, base) = (inputs.logprobs.clone(), inputs.base_logprobs.clone());
        Ok(rec(now, base, inputs.ratio(), inputs.advantages.clone(), self))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let out = self.outside(inputs.ratio(), inputs.advantages.clone());
        vec![Measure::flag("clip_ratio/region_mean", out, &inputs.mask)]
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |_, t| {
            let ratio = t.log_ratio.exp();
            let weight = match self.weight {
                RecWeight::None => 1.0,
                RecWeight::Importance => ratio,
                RecWeight::Advantage { temperature } => (t.advantage / temperature).exp(),
            };
            let keep = self.keeps(ratio, t.advantage);
            let mut slope = if keep { -weight * t.advantage } else { 0.0 };
            let mut loss = slope * t.logprob;
            match self.regularizer {
                RecRegularizer::None => {}
                RecRegularizer::K2 { coef } => {
                    let moved = t.logprob - t.base_logprob;
                    loss += coef * moved * moved;
                    slope += 2.0 * coef * moved;
                }
                RecRegularizer::ForwardKl { coef } => {
                    loss -= coef * t.logprob;
                    slope -= coef;
                }
            }
            let gate = match (keep, ratio > 1.0) {
                (true, _) => Gate::Open,
                (false, true) => Gate::ClippedHigh,
                (false, false) => Gate::ClippedLow,
            };
            Term::own(loss, slope, gate)
        })
    }
}
