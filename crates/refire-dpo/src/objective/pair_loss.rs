use crate::loss;
use crate::{DpoError, error::unless};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A loss of pairs against a reference, by its name in TRL where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PairLoss {
    /// [`loss::sigmoid`]: DPO.
    #[default]
    Sigmoid,
    /// [`loss::cdpo`].
    Cdpo {
        /// Probability of a wrong label, from 0 to below 1/2.
        label_smoothing: f64,
    },
    /// [`loss::odpo`] with `scale` times the margins of the chosen rows for the offset.
    Odpo {
        /// What a unit of margin counts for.
        scale: f64,
    },
    /// [`loss::hinge`].
    Hinge,
    /// [`loss::ipo`] on sums: the paper's and OpenRLHF's.
    IpoSum,
    /// [`loss::ipo_norm`], per token: TRL's.
    Ipo,
    /// [`loss::exo_pair`].
    ExoPair {
        /// Probability of a wrong label, above 0 and below 1.
        label_smoothing: f64,
    },
    /// [`loss::nca_pair`].
    NcaPair,
    /// [`loss::robust`].
    Robust {
        /// Probability of a wrong label, from 0 to below 1/2.
        label_smoothing: f64,
    },
    /// [`loss::bco_pair`].
    BcoPair,
    /// [`loss::sppo_hard`].
    SppoHard,
    /// [`loss::aot`] over the whole step.
    Aot {
        /// Probability of a wrong label, from 0 to below 1/2.
        label_smoothing: f64,
    },
    /// [`loss::aot_unpaired`] over the whole step.
    AotUnpaired {
        /// Probability of a wrong label, from 0 to below 1/2.
        label_smoothing: f64,
    },
    /// [`loss::apo_zero`].
    ApoZero,
    /// [`loss::apo_down`].
    ApoDown,
    /// [`loss::discopop`].
    Discopop {
        /// Temperature of the blend, above 0; the paper's is 0.05.
        tau: f64,
    },
    /// [`loss::sigmoid_norm`].
    SigmoidNorm,
    /// The chosen row's negative log-likelihood, per token of all chosen rows of the step. With
    /// `sigmoid` it makes RPO.
    Sft,
}

/// A loss and what it counts in a mixture.
///
/// ```
/// use refire_dpo::{PairLoss, WeightedLoss};
/// let mpo: Vec<WeightedLoss> = serde_json::from_str(
///     r#"[{"loss": "sigmoid", "weight": 0.8}, {"loss": "bco_pair", "weight": 0.2}, {"loss": "sft"}]"#,
/// )?;
/// assert_eq!(mpo[2], WeightedLoss { loss: PairLoss::Sft, weight: 1.0 });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeightedLoss {
    /// The loss.
    pub loss: PairLoss,
    /// Its weight; the loss is the weighted sum.
    pub weight: f64,
}

impl Default for WeightedLoss {
    /// DPO with weight 1.
    fn default() -> Self {
        Self { loss: PairLoss::default(), weight: 1.0 }
    }
}

impl PairLoss {
    /// True for losses that compare rows of the whole step.
    pub(super) fn is_sorted(self) -> bool {
        matches!(self, Self::Aot { .. } | Self::AotUnpaired { .. })
    }

    /// Every problem found; empty if there is none.
    pub fn validate(self) -> Vec<DpoError> {
        let problem = match self {
            Self::Cdpo { label_smoothing: e }
            | Self::Robust { label_smoothing: e }
            | Self::Aot { label_smoothing: e }
            | Self::AotUnpaired { label_smoothing: e } => {
                unless((0.0..0.5).contains(&e), "label_smoothing", e, "from 0 to below 0.5")
            }
            Self::ExoPair { label_smoothing: e } => {
                unless(e > 0.0 && e < 1.0, "label_smoothing", e, "above 0 and below 1")
            }
            Self::Discopop { tau } => {
                unless(tau.is_finite() && tau > 0.0, "tau", tau, "a positive number")
            }
            Self::Odpo { scale } => unless(scale.is_finite(), "scale", scale, "a finite number"),
            _ => None,
        };
        problem.into_iter().collect()
    }

    /// The loss per pair, `[pairs]`.
    pub(super) fn per_pair(self, of: &PairInputs, beta: f64) -> Tensor<1> {
        let scores = || (of.chosen.scores.clone(), of.rejected.scores.clone());
        let ratios = || (of.chosen.log_ratios.clone(), of.rejected.log_ratios.clone());
        let lengths = || (of.chosen.lengths.clone(), of.rejected.lengths.clone());
        let ((w, l), (r_w, r_l), (n_w, n_l)) = (scores(), ratios(), lengths());
        match self {
            Self::Sigmoid => loss::sigmoid(w, l, beta),
            Self::Cdpo { label_smoothing } => loss::cdpo(w, l, beta, label_smoothing),
            Self::Odpo { .. } => loss::odpo(w, l, of.extra.clone(), beta),
            Self::Hinge => loss::hinge(w, l, beta),
            Self::IpoSum => loss::ipo(w, l, beta),
            Self::Ipo => loss::ipo_norm(w, l, n_w, n_l, beta),
            Self::ExoPair { label_smoothing } => loss::exo_pair(w, l, beta, label_smoothing),
            Self::NcaPair => loss::nca_pair(w, l, beta),
            Self::Robust { label_smoothing } => loss::robust(w, l, beta, label_smoothing),
            Self::BcoPair => loss::bco_pair(w, l, beta),
            Self::SppoHard => loss::sppo_hard(w, l, beta),
            Self::Aot { label_smoothing } => {
                let margin = of.chosen.logps.clone() - of.rejected.logps.clone();
                loss::smoothed((margin - of.extra.clone()) * beta, label_smoothing)
            }
            Self::AotUnpaired { label_smoothing } => {
                let each = |x: Tensor<1>| loss::smoothed(x * beta, label_smoothing);
                let (p_w, p_l) = (of.extra.clone(), of.more.clone());
                halved(each(r_w - p_w) + each(p_l - r_l))
            }
            Self::ApoZero => loss::apo_zero(r_w, r_l, beta),
            Self::ApoDown => loss::apo_down(r_w, w, l, beta),
            Self::Discopop { tau } => loss::discopop(w, l, beta, tau),
            Self::SigmoidNorm => loss::sigmoid_norm(w, l, n_w, n_l, beta),
            Self::Sft => of.chosen.logps.clone() * of.extra.clone(),
        }
    }
}

/// Each term of an unpaired sort is seen from both of its rows: half the value, the whole gradient.
fn halved(both: Tensor<1>) -> Tensor<1> {
    both.clone() - both.detach() * 0.5
}

/// One side of the pairs, `[pairs]` each.
pub(super) struct Side {
    pub(super) logps: Tensor<1>,
    pub(super) log_ratios: Tensor<1>,
    pub(super) scores: Tensor<1>,
    pub(super) lengths: Tensor<1>,
}

/// Both sides, and the constants of the one loss they are made for.
pub(super) struct PairInputs {
    pub(super) chosen: Side,
    pub(super) rejected: Side,
    /// Offsets, partners in a sort, or the weight of a log-probability.
    pub(super) extra: Tensor<1>,
    /// Partners of the rejected rows in an unpaired sort.
    pub(super) more: Tensor<1>,
}
