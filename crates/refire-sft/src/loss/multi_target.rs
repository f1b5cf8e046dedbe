//! Several kinds of targets of the same prompts, each with a mean of its own.
//!
//! ```text
//! loss = sum_k weight_k (sum over tokens of kind k of -logprob) / N_k
//! ```
//!
//! Yang et al., "Multi-Objective Fine-Tuning for Enhanced Program Repair with LLMs" (MORepair, 2024):
//! repaired code and its explanation, with equal weights. A plain mean over all tokens would let the
//! longer kind outvote the shorter.

use crate::SftError;
use crate::columns::{View, reduced};
use crate::error::unless;
use burn::tensor::{Tensor, TensorData};
use refire_core::{BoxError, Stateful, StepView};
use refire_objective::{
    Aggregation, Counts, Loss, Objective, ObjectiveError, Scope, StepContext, Targets, TokenStats,
};
use serde::{Deserialize, Serialize};

const NAME: &str = "multi_target";

/// Settings of [`MultiTarget`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiTargetConfig {
    /// Weight of each kind, 0 or above.
    pub weights: Vec<f64>,
}

impl Default for MultiTargetConfig {
    /// MORepair's two kinds with equal weights.
    fn default() -> Self {
        Self { weights: vec![1.0, 1.0] }
    }
}

impl MultiTargetConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        let count = unless(!self.weights.is_empty(), "weights", 0, "at least one weight");
        let weight =
            |w: &f64| unless(w.is_finite() && *w >= 0.0, "weights", *w, "0 or a positive number");
        self.weights.iter().filter_map(weight).chain(count).collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<MultiTarget, SftError> {
        SftError::collect(self.validate())?;
        Ok(MultiTarget { config: self.clone() })
    }
}

/// The likelihood of several kinds of targets as an [`Objective`].
///
/// `Targets::labels` holds the kind of each row, from 0 on. The number of tokens of each kind in the
/// whole step comes from `prepare` (a row's score is its kind) or [`context`](Self::context).
///
/// Metrics: `loss`, and `entropy` where it was computed; both are means over tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_objective::{Counts, Objective, Targets, TokenStats};
/// use refire_sft::loss::MultiTargetConfig;
/// let device = Device::flex();
/// let objective = MultiTargetConfig { weights: vec![1.0, 0.5] }.build()?;
/// let stats = TokenStats::from_logprobs(Tensor::from_data([[-1.0, -3.0], [-4.0, 0.0]], &device));
/// let mut targets = Targets::new(Tensor::from_data([[1.0, 1.0], [1.0, 0.0]], &device));
/// targets.labels = Some(vec![0.0, 1.0]);
/// let context = objective.context([(0, 2), (1, 1)])?;
/// let counts = Counts::of([[true, true], [true, false]], 1);
/// let loss = objective.loss(&stats, &targets, &context, &counts)?;
/// assert_eq!(loss.total.into_scalar::<f32>(), 4.0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MultiTarget {
    config: MultiTargetConfig,
}

/// Tokens of each kind in the step.
struct KindTokens(Vec<f64>);

impl MultiTarget {
    /// The settings.
    pub fn config(&self) -> &MultiTargetConfig {
        &self.config
    }

    /// What [`prepare`](Objective::prepare) makes of a step, from the kind and the number of visible
    /// tokens of each row.
    ///
    /// # Errors
    /// When a kind has no weight.
    pub fn context(
        &self,
        rows: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<StepContext, SftError> {
        let mut tokens = vec![0.0; self.config.weights.len()];
        for (kind, count) in rows {
            let limit = tokens.len();
            let of = tokens.get_mut(kind).ok_or(SftError::Kind { kind: kind as f64, limit })?;
            *of += count as f64;
        }
        Ok(StepContext::new(KindTokens(tokens)))
    }

    fn kind(&self, label: f64) -> Result<usize, SftError> {
        let limit = self.config.weights.len();
        let fine = label >= 0.0 && label.fract() == 0.0 && label < limit as f64;
        if fine { Ok(label as usize) } else { Err(SftError::Kind { kind: label, limit }) }
    }
}

impl Stateful for MultiTarget {}

impl Objective for MultiTarget {
    fn name(&self) -> &'static str {
        NAME
    }

    fn scope(&self) -> Scope {
        Scope::Token
    }

    fn prepare(&mut self, step: &StepView<'_>) -> Result<StepContext, BoxError> {
        step.validate()?;
        let labelled = step.rewards().into_iter().zip(step.mask);
        let row = |(label, mask): (Option<f64>, &Vec<bool>)| {
            let tokens = mask.iter().filter(|m| **m).count();
            label.map(|label| Ok((self.kind(label)?, tokens)))
        };
        let rows = labelled.filter_map(row).collect::<Result<Vec<_>, SftError>>()?;
        Ok(self.context(rows)?)
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let KindTokens(tokens) =
            context.get().ok_or(ObjectiveError::Context { objective: NAME })?;
        let missing = ObjectiveError::MissingColumn { objective: NAME, column: "labels" };
        let labels = targets.labels.as_ref().ok_or(missing)?;
        let (found, rows) = (labels.len(), targets.mask.dims()[0]);
        if found != rows {
            return Err(ObjectiveError::Count { what: "labels", found, expected: rows }.into());
        }
        let logprobs = View::of(&targets.mask).visible("logprobs", &stats.logprobs)?;
        // A mean over all tokens of the step of these is the sum of each kind's mean.
        let share = |label: &f64| {
            let kind = self.kind(*label)?;
            Ok(self.config.weights[kind] * counts.tokens.max(1.0) / tokens[kind].max(1.0))
        };
        let shares = labels.iter().map(share).collect::<Result<Vec<f64>, SftError>>()?;
        let options = (&logprobs.device(), logprobs.dtype());
        let shares = Tensor::<2>::from_data(TensorData::new(shares, [rows, 1]), options);
        let per_token = logprobs.neg() * shares;
        let how = Aggregation::TokenMean;
        Ok(reduced(per_token, how, stats, targets, counts, Vec::new())?)
    }
}
