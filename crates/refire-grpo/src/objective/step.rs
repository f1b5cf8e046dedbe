use super::PolicyLoss;
use crate::GrpoError;
use crate::correction::Mismatch;
use crate::loss::{LossKind, covariances, random_covariance, top_covariance};
use crate::mask::top_entropy_mask;
use refire_core::{BoxError, CoreError, Ragged, StepView};

/// What [`PolicyLoss`] learns from a whole step before its micro-batches, so that these can't
/// change it. Rows are those of the step, ragged.
///
/// [`PolicyLoss::prepare`](refire_objective::Objective::prepare) makes one; a loop of one's own may
/// make it by hand.
///
/// ```
/// use refire_grpo::PolicyStep;
/// use refire_objective::StepContext;
/// let step = PolicyStep { weights: Some(vec![vec![1.0, 0.5]]), ..Default::default() };
/// let context = StepContext::new(step);
/// assert!(context.get::<PolicyStep>().is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyStep {
    /// Tokens of high entropy, where the configuration asks for them.
    pub high_entropy: Option<Vec<Vec<bool>>>,
    /// Tokens that a step-wide choice picked: Clip-Cov's and KL-Cov's.
    pub selected: Option<Vec<Vec<bool>>>,
    /// Weights of the correction.
    pub weights: Option<Vec<Vec<f64>>>,
    /// The KL coefficient in force, where a controller moves it.
    pub kl_beta: Option<f64>,
    /// The entropy coefficient in force, where a controller moves it.
    pub entropy_coef: Option<f64>,
    /// How far trainer and sampler are apart, where a correction looks at it.
    pub mismatch: Option<Mismatch>,
}

impl PolicyStep {
    /// Tokens of the whole step whose entropy is high.
    pub(crate) fn kept(&self) -> Option<f64> {
        let rows = self.high_entropy.as_ref()?;
        Some(rows.iter().flatten().filter(|keep| **keep).count() as f64)
    }
}

fn column<'a>(column: &'a Option<Ragged>, name: &'static str) -> Result<&'a Ragged, CoreError> {
    column.as_ref().ok_or(CoreError::MissingColumn { column: name })
}

fn doubles(ragged: &Ragged) -> Vec<Vec<f64>> {
    ragged.iter().map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect()
}

fn behaviour(step: &StepView<'_>) -> Vec<Vec<f64>> {
    let columns = step.iter().map(|(_, _, completion)| &completion.behaviour_logprobs);
    columns.map(|column| column.iter().map(|l| f64::from(*l)).collect()).collect()
}

fn advantages(step: &StepView<'_>) -> Result<Vec<Vec<f64>>, CoreError> {
    let advantages = step.advantages.ok_or(CoreError::MissingColumn { column: "advantages" })?;
    let row = |(row, mask): (usize, &Vec<bool>)| {
        (0..mask.len()).map(|token| advantages.at(row, token)).collect()
    };
    Ok(step.mask.iter().enumerate().map(row).collect())
}

/// Mean of the values under the mask; `None` without any.
fn mean(rows: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = rows.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

fn seen<'a>(rows: &'a [Vec<f64>], mask: &'a [Vec<bool>]) -> impl Iterator<Item = f64> + 'a {
    let tokens = rows.iter().flatten().zip(mask.iter().flatten());
    tokens.filter(|(_, m)| **m).map(|(v, _)| *v)
}

impl PolicyLoss {
    /// Everything the configuration takes from a whole step; controllers learn from it.
    pub(super) fn look(&mut self, step: &StepView<'_>) -> Result<PolicyStep, BoxError> {
        let mut made = PolicyStep::default();
        if let Some(fraction) = self.config.top_entropy {
            let entropy = column(&step.columns.entropy, "entropy")?;
            let rows: Vec<&[f32]> = entropy.iter().collect();
            made.high_entropy = Some(top_entropy_mask(rows, step.mask, fraction));
        }
        if self.config.selects() {
            made.selected = Some(self.select(step)?);
        }
        if let Some(correction) = &self.config.correction {
            let old = doubles(column(&step.columns.old_logprobs, "old_logprobs")?);
            let sampler = behaviour(step);
            made.weights = Some(correction.weights(&old, &sampler, step.mask)?);
            made.mismatch = Some(Mismatch::of(&old, &sampler, step.mask)?);
        }
        self.control(step, &mut made)?;
        Ok(made)
    }

    /// Clip-Cov's and KL-Cov's tokens. At the step's start no ratio is out of its range: none is
    /// clipped already.
    fn select(&self, step: &StepView<'_>) -> Result<Vec<Vec<bool>>, BoxError> {
        let old = doubles(column(&step.columns.old_logprobs, "old_logprobs")?);
        let cov = covariances(&old, &advantages(step)?, step.mask)?;
        Ok(match &self.config.surrogate {
            LossKind::ClipCov(config) => random_covariance(&cov, step.mask, &[], config, step.step),
            LossKind::KlCov(config) => top_covariance(&cov, step.mask, config.fraction),
            _ => Vec::new(),
        })
    }

    fn control(&mut self, step: &StepView<'_>, made: &mut PolicyStep) -> Result<(), BoxError> {
        if let Some(controller) = &mut self.kl {
            made.kl_beta = Some(controller.value());
            let old = doubles(column(&step.columns.old_logprobs, "old_logprobs")?);
            let reference = doubles(column(&step.columns.ref_logprobs, "ref_logprobs")?);
            GrpoError::same_shape("ref_logprobs", &reference, &old)?;
            let (estimator, clamp) = (self.config.kl_estimator, self.config.kl_clamp);
            let rows = old.iter().zip(&reference);
            let kl: Vec<Vec<f64>> = rows
                .map(|(o, r)| o.iter().zip(r).map(|(o, r)| estimator.at(o - r, clamp).0).collect())
                .collect();
            if let Some(kl) = mean(seen(&kl, step.mask)) {
                controller.update(kl, step.rows() as f64);
            }
        }
        if let Some(controller) = &mut self.entropy {
            made.entropy_coef = Some(controller.applied());
            let entropy = doubles(column(&step.columns.entropy, "entropy")?);
            let mask = made.high_entropy.as_deref().unwrap_or(step.mask);
            if let Some(entropy) = mean(seen(&entropy, mask)) {
                controller.update(entropy);
            }
        }
        Ok(())
    }
}
