use super::surrogate::{Measure, RowView, Surrogate, SurrogateInputs, Term};
use super::{
    Cispo, ClipCov, ClipOptions, Copg, DistillationLoss, DppoTv, Gmpo, Gppo, Kimi, KlCov, Opmd,
    Rec, Reinforce, Sapo, Topr, Vespo,
};
use crate::GrpoError;
use burn::tensor::Tensor;
use refire_objective::Scope;
use serde::{Deserialize, Serialize};

/// Which loss per token, as it is written in a configuration file.
///
/// ```
/// use refire_grpo::loss::{LossKind, Surrogate};
/// let kind: LossKind = serde_json::from_str(r#"{"kind": "cispo", "upper": 4.0}"#)?;
/// assert_eq!(kind.name(), "cispo");
/// assert!(kind.validate().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LossKind {
    /// PPO's clip with its variants: GRPO, DAPO, Dr.GRPO, GSPO, LUSPO, PPO, RLOO.
    PpoClip(ClipOptions),
    /// No ratio: REINFORCE, GPG, rejection-sampling fine-tuning.
    Reinforce(Reinforce),
    /// REINFORCE with a factor.
    Opmd(Opmd),
    /// Clipped weights.
    Cispo(Cispo),
    /// PPO's clip with a bounded gradient: GPPO, CE-GPPO.
    Gppo(Gppo),
    /// A soft gate.
    Sapo(Sapo),
    /// A gamma-shaped weight of the whole sequence's ratio.
    Vespo(Vespo),
    /// The geometric mean of clipped ratios.
    Gmpo(Gmpo),
    /// PPO's clip, and a few tokens of high covariance dropped.
    ClipCov(ClipCov),
    /// No clip, and a penalty on a few tokens of high covariance.
    KlCov(KlCov),
    /// A trust region in probabilities.
    DppoTv(DppoTv),
    /// Tapered weights for bad samples.
    Topr(Topr),
    /// REINFORCE with masks.
    Rec(Rec),
    /// Mirror descent on a squared residual.
    Kimi(Kimi),
    /// Contrasts of siblings.
    Copg(Copg),
    /// The teacher's log-probabilities as advantages.
    Distillation(DistillationLoss),
}

impl Default for LossKind {
    /// PPO's clip at 0.2.
    fn default() -> Self {
        Self::PpoClip(ClipOptions::default())
    }
}

impl LossKind {
    fn surrogate(&self) -> &dyn Surrogate {
        match self {
            Self::PpoClip(s) => s,
            Self::Reinforce(s) => s,
            Self::Opmd(s) => s,
            Self::Cispo(s) => s,
            Self::Gppo(s) => s,
            Self::Sapo(s) => s,
            Self::Vespo(s) => s,
            Self::Gmpo(s) => s,
            Self::ClipCov(s) => s,
            Self::KlCov(s) => s,
            Self::DppoTv(s) => s,
            Self::Topr(s) => s,
            Self::Rec(s) => s,
            Self::Kimi(s) => s,
            Self::Copg(s) => s,
            Self::Distillation(s) => s,
        }
    }
}

impl Surrogate for LossKind {
    fn name(&self) -> &'static str {
        self.surrogate().name()
    }

    fn validate(&self) -> Vec<GrpoError> {
        self.surrogate().validate()
    }

    fn scope(&self) -> Scope {
        self.surrogate().scope()
    }

    fn takes_weights(&self) -> bool {
        self.surrogate().takes_weights()
    }

    fn reads_reference(&self) -> bool {
        self.surrogate().reads_reference()
    }

    fn reads_advantages(&self) -> bool {
        self.surrogate().reads_advantages()
    }

    fn on_policy(&self) -> Option<f64> {
        self.surrogate().on_policy()
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        self.surrogate().per_token(inputs)
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        self.surrogate().measure(inputs)
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        self.surrogate().terms(rows)
    }
}
