//! f-divergences: what a log-ratio counts for.
//!
//! ```text
//! reverse_kl          h = r                                  DPO
//! forward_kl          h = -exp(-r)
//! js_divergence       h = log sigmoid(r)                     without the constant log 2
//! alpha_divergence    h = exp(min((a - 1) r, cap)) / (a - 1)      a = 1: reverse_kl
//! ```
//!
//! Wang et al., "Beyond Reverse KL: Generalizing Direct Preference Optimization with Diverse
//! Divergence Constraints" (2023); TRL's `f_divergence_type`. TRL's forward KL overflows below
//! `r = -709` in f64 (-88 in f32); here the exponent is bounded at 300 (30 in f32) and the score
//! straight beyond, so that value and gradient stay finite. The alpha divergence is cut as in TRL,
//! without a gradient beyond: at 80 in f64, and at 30 (4 in f16) below, where TRL has 80 (11) and
//! its square is infinite.

use crate::stable::{bounded_exp, log_sigmoid};
use crate::{DpoError, error::unless};
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

/// Which divergence from the reference the policy pays for.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FDivergence {
    /// KL(policy || reference): DPO.
    #[default]
    ReverseKl,
    /// KL(reference || policy).
    ForwardKl,
    /// Jensen-Shannon.
    JsDivergence,
    /// Between them.
    AlphaDivergence {
        /// `a`; 1 is the reverse KL, 0 the forward one.
        coefficient: f64,
    },
}

impl FDivergence {
    /// Scores `[rows]` from log-ratios `[rows]`.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_dpo::FDivergence;
    /// let log_ratios = Tensor::<1>::from_data([0.0], &Device::flex());
    /// assert_eq!(FDivergence::ForwardKl.scores(log_ratios).into_scalar::<f32>(), -1.0);
    /// ```
    pub fn scores(self, log_ratios: Tensor<1>) -> Tensor<1> {
        match self {
            Self::ReverseKl => log_ratios,
            Self::ForwardKl => bounded_exp(log_ratios.neg()).neg(),
            Self::JsDivergence => log_sigmoid(log_ratios),
            Self::AlphaDivergence { coefficient } if (coefficient - 1.0).abs() < 1e-6 => log_ratios,
            Self::AlphaDivergence { coefficient } => {
                let (slope, cap) = (coefficient - 1.0, alpha_cap(log_ratios.dtype()));
                (log_ratios * slope).clamp_max(cap).exp() * slope.recip()
            }
        }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(self) -> Vec<DpoError> {
        match self {
            Self::AlphaDivergence { coefficient } => {
                let field = "divergence.coefficient";
                unless(coefficient.is_finite(), field, coefficient, "a finite number")
                    .into_iter()
                    .collect()
            }
            Self::ReverseKl | Self::ForwardKl | Self::JsDivergence => Vec::new(),
        }
    }
}

fn alpha_cap(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 80.0,
        DType::F16 => 4.0,
        _ => 30.0,
    }
}
