//! CHORD's supervised side: token weights for expert rows, and how much they count.
//!
//! ```text
//! L(step)  = (1 - mu) L_policy(usual rows) + mu L_expert(expert rows)
//! nll      L_expert = -logprob
//! phi      L_expert = -sg(p (1 - p)) min(logprob, ln cutoff)          p = exp(logprob)
//! is       L_expert = -sg(p) logprob
//! mu       peak step / warmup, then a cosine from peak to valley over decay steps
//! ```
//!
//! "On-Policy RL Meets Off-Policy Experts" (2025); Trinity's `mix_chord`. CHORD-mu is `nll` with a
//! falling schedule, CHORD-phi is `phi` with a small constant mu: phi weighs tokens that the policy
//! neither knows nor finds absurd. [`Chord`](crate::Chord) mixes the two.

use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// `-sg(p) logprob`, `[batch, time]`: likelihood with the policy's own probability as weight.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::sft_is;
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[0.5_f32.ln()]], &device);
/// assert!((sft_is(logprobs).into_scalar::<f32>() - 0.346_57).abs() < 1e-4);
/// ```
pub fn sft_is(logprobs: Tensor<2>) -> Tensor<2> {
    (logprobs.clone().detach().exp() * logprobs).neg()
}

/// `-sg(p (1 - p)) min(logprob, ln cutoff)`, `[batch, time]`: beyond a `cutoff` below 1 a token
/// has no gradient.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::sft_phi;
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[0.5_f32.ln()]], &device);
/// assert!((sft_phi(logprobs, None).into_scalar::<f32>() - 0.173_29).abs() < 1e-4);
/// ```
pub fn sft_phi(logprobs: Tensor<2>, cutoff: Option<f64>) -> Tensor<2> {
    let p = logprobs.clone().detach().exp();
    let phi = p.clone() * (p.neg() + 1.0);
    let held = match cutoff {
        Some(cutoff) => logprobs.clamp_max(cutoff.ln()),
        None => logprobs,
    };
    (phi * held).neg()
}

/// The loss of expert rows.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ExpertLoss {
    /// Likelihood.
    Nll,
    /// Likelihood weighed by `p (1 - p)`: CHORD-phi.
    #[default]
    Phi,
    /// As `Phi`, without gradient for tokens more likely than this.
    PhiCutoff {
        /// A probability above 0, below 1.
        cutoff: f64,
    },
    /// Likelihood weighed by `p`.
    Importance,
}

impl ExpertLoss {
    /// `[batch, time]`.
    pub fn per_token(&self, logprobs: Tensor<2>) -> Tensor<2> {
        match *self {
            Self::Nll => logprobs.neg(),
            Self::Phi => sft_phi(logprobs, None),
            Self::PhiCutoff { cutoff } => sft_phi(logprobs, Some(cutoff)),
            Self::Importance => sft_is(logprobs),
        }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        match *self {
            Self::PhiCutoff { cutoff } if !(cutoff > 0.0 && cutoff < 1.0) => {
                let expected = "a probability above 0 and below 1";
                GrpoError::unless(false, "expert.cutoff", cutoff, expected).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// How much expert rows count, step by step.
///
/// ```
/// use refire_grpo::loss::MuSchedule;
/// let mu = MuSchedule { warmup: 4, decay: 20, peak: 0.9, valley: 0.05 };
/// assert_eq!((mu.at(2), mu.at(4), mu.at(50)), (0.45, 0.9, 0.05));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MuSchedule {
    /// Steps in which mu rises from 0 to `peak`.
    pub warmup: u64,
    /// Steps in which it falls to `valley`.
    pub decay: u64,
    /// Its largest value.
    pub peak: f64,
    /// Its last value.
    pub valley: f64,
}

impl Default for MuSchedule {
    /// Trinity's code: a constant 0.1. The paper's CHORD-mu goes from 0.9 to 0.05.
    fn default() -> Self {
        Self { warmup: 0, decay: 0, peak: 0.1, valley: 0.1 }
    }
}

impl MuSchedule {
    /// Mu at a step, from 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return step as f64 / self.warmup as f64 * self.peak;
        }
        let since = step - self.warmup;
        if since >= self.decay {
            return self.valley;
        }
        let turn = std::f64::consts::PI * since as f64 / self.decay as f64;
        (self.peak - self.valley) * 0.5 * (1.0 + turn.cos()) + self.valley
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let share = |field, value: f64| {
            GrpoError::unless((0.0..=1.0).contains(&value), field, value, "from 0 to 1")
        };
        [share("mu.peak", self.peak), share("mu.valley", self.valley)]
            .into_iter()
            .flatten()
            .collect()
    }
}
