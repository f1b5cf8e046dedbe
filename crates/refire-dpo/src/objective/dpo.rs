use super::metrics;
use super::pair_loss::{PairInputs, PairLoss, Side, WeightedLoss};
use super::pairs::Pairs;
use super::rows::Rows;
use super::step::PreferenceStep;
use crate::loss::{length_desensitised, wpo_weights};
use crate::stable::{pick, rising};
use crate::{DpoError, FDivergence, error::unless};
use burn::tensor::Tensor;
use refire_core::{BoxError, Needs, Stateful, StepView};
use refire_objective::{
    Counts, Loss, Objective, ObjectiveError, Scope, StepContext, Targets, TokenStats,
};
use serde::{Deserialize, Serialize};

const NAME: &str = "dpo";

/// Settings of [`Dpo`].
///
/// ```
/// use refire_dpo::DpoConfig;
/// let config: DpoConfig = serde_json::from_str(r#"{"beta": 0.3, "losses": [{"loss": "nca_pair"}]}"#)?;
/// assert!(config.validate().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DpoConfig {
    /// Strength of the tie to the reference, above 0.
    pub beta: f64,
    /// What is minimised: the weighted sum of these.
    pub losses: Vec<WeightedLoss>,
    /// What a log-ratio counts for. AOT and APO-zero don't read it, as in TRL.
    pub divergence: FDivergence,
    /// Weight of what a completion says beyond the shorter one of its pair, from 0 to 1
    /// ([`length_desensitised`]); `None` is 1.
    pub ld_alpha: Option<f64>,
    /// Weigh pairs by how likely the policy is to write them ([`wpo_weights`]).
    pub wpo: bool,
}

impl Default for DpoConfig {
    /// TRL's `DPOConfig`: the sigmoid loss with beta 0.1.
    fn default() -> Self {
        Self {
            beta: 0.1,
            losses: vec![WeightedLoss::default()],
            divergence: FDivergence::ReverseKl,
            ld_alpha: None,
            wpo: false,
        }
    }
}

impl DpoConfig {
    /// One loss with weight 1.
    pub fn of(loss: PairLoss, beta: f64) -> Self {
        let losses = vec![WeightedLoss { loss, weight: 1.0 }];
        Self { beta, losses, ..Self::default() }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let beta = self.beta.is_finite() && self.beta > 0.0;
        let alpha = self.ld_alpha.unwrap_or(1.0);
        let combination =
            |wrong: bool, field, reason| wrong.then_some(DpoError::Combination { field, reason });
        let has_sft = self.losses.iter().any(|part| part.loss == PairLoss::Sft);
        let has_sort = self.losses.iter().any(|part| part.loss.is_sorted());
        let own = [
            unless(beta, "beta", self.beta, "a positive number"),
            unless((0.0..=1.0).contains(&alpha), "ld_alpha", alpha, "from 0 to 1"),
            combination(self.losses.is_empty(), "losses", "name at least one loss"),
            combination(
                self.wpo && has_sft,
                "wpo",
                "weighs pairs, and `sft` is a mean over tokens; take one of them out",
            ),
            combination(
                self.ld_alpha.is_some() && has_sort,
                "ld_alpha",
                "aot sorts plain sums at the start of the step; leave `ld_alpha` out",
            ),
        ];
        let weight = |part: &WeightedLoss| {
            unless(part.weight.is_finite(), "weight", part.weight, "a finite number")
        };
        let parts = self.losses.iter();
        let parts = parts.flat_map(|part| part.loss.validate().into_iter().chain(weight(part)));
        own.into_iter().flatten().chain(parts).chain(self.divergence.validate()).collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Dpo, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(Dpo { config: self.clone() })
    }

    fn has_sort(&self) -> bool {
        self.losses.iter().any(|part| part.loss.is_sorted())
    }
}

/// DPO and its family: pairs against a frozen reference.
///
/// Reads `ref_logprobs`, labels and groups; `margins` for ODPO. `sft` and AOT read what `prepare` or
/// [`context`](Self::context) knows of the step.
///
/// AOT compares each row with its partner in the sorted step, whose value is a constant from the
/// start of the step: the gradient is that of the sorted loss, whatever the micro-batches.
///
/// Metrics, by their names in TRL: `rewards/chosen`, `rewards/rejected`, `rewards/accuracies`,
/// `rewards/margins` (rewards are `beta` times log-ratios whatever the divergence), `logps/chosen`,
/// `logps/rejected`, `entropy`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::DpoConfig;
/// use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
///
/// let device = Device::flex();
/// let logprobs = || Tensor::<2>::from_data([[-1.0, -2.0], [-3.0, -1.0]], &device);
/// let mut targets = Targets::new(Tensor::ones([2, 2], &device));
/// targets.groups = vec![0, 0];
/// targets.labels = Some(vec![1.0, 0.0]);
/// targets.ref_logprobs = Some(logprobs());
/// let counts = Counts::of([[true, true], [true, true]], 1);
/// let stats = TokenStats::from_logprobs(logprobs());
/// let dpo = DpoConfig::default().build()?;
/// let loss = dpo.loss(&stats, &targets, &StepContext::empty(), &counts)?;
/// assert!((loss.total.into_scalar::<f32>() - std::f32::consts::LN_2).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dpo {
    config: DpoConfig,
}

/// What a step knows beforehand.
struct DpoStep {
    chosen_tokens: f64,
    /// Per row of the step: the reference's margin, or the partner's log-ratio.
    paired: Vec<f64>,
    unpaired: Vec<f64>,
}

impl Dpo {
    /// The settings.
    pub fn config(&self) -> &DpoConfig {
        &self.config
    }

    /// What [`prepare`](Objective::prepare) makes of a step, from host rows in double precision.
    ///
    /// # Errors
    /// When AOT misses log-probabilities, or rows don't form pairs.
    pub fn context(&self, step: &PreferenceStep) -> Result<StepContext, DpoError> {
        let chosen_tokens = step.chosen_tokens() as f64;
        let (paired, unpaired) =
            if self.config.has_sort() { partners(step)? } else { (Vec::new(), Vec::new()) };
        Ok(StepContext::new(DpoStep { chosen_tokens, paired, unpaired }))
    }

    /// Log-probabilities per row of policy and reference, `[rows]`.
    fn logps(&self, rows: &Rows<'_>, pairs: &Pairs) -> Result<[Tensor<1>; 2], DpoError> {
        let Some(alpha) = self.config.ld_alpha else {
            return Ok([rows.logps(), rows.ref_logps()?]);
        };
        let other = pick(&rows.lengths, &pairs.partners());
        let shared = rows.lengths.clone().min_pair(other);
        let sums = |x: Tensor<2>| length_desensitised(x, rows.mask.clone(), shared.clone(), alpha);
        Ok([sums(rows.logprobs.clone()), sums(rows.ref_logprobs()?)])
    }

    /// The constants that one loss reads beside both sides: see [`PairInputs`].
    fn extras(
        &self,
        loss: PairLoss,
        rows: &Rows<'_>,
        pairs: &Pairs,
        context: &StepContext,
        step_pairs: f64,
    ) -> Result<[Tensor<1>; 2], DpoError> {
        let prepared = || {
            let missing = ObjectiveError::Context { objective: NAME };
            context.get::<DpoStep>().ok_or(DpoError::Objective(missing))
        };
        let partners = |of: &[f64], places: &[usize]| {
            let ids = rows.ids()?;
            let partner = |place: &usize| {
                let (what, found, limit) = ("a row of the step", ids[*place], of.len());
                of.get(found).copied().ok_or(ObjectiveError::Index { what, found, limit })
            };
            let values = places.iter().map(partner).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, DpoError>(rows.constant(values))
        };
        let none = || rows.constant(vec![0.0; pairs.len()]);
        Ok(match loss {
            PairLoss::Odpo { scale } => {
                let margins = rows.margins()?;
                let offsets = pairs.chosen.iter().map(|row| margins[*row] * scale).collect();
                [rows.constant(offsets), none()]
            }
            PairLoss::Aot { .. } => [partners(&prepared()?.paired, &pairs.chosen)?, none()],
            PairLoss::AotUnpaired { .. } => {
                let of = &prepared()?.unpaired;
                [partners(of, &pairs.chosen)?, partners(of, &pairs.rejected)?]
            }
            // The mean over pairs of this is the mean over the step's chosen tokens.
            PairLoss::Sft => {
                let share = step_pairs / prepared()?.chosen_tokens.max(1.0);
                [rows.constant(vec![-share; pairs.len()]), none()]
            }
            _ => [none(), none()],
        })
    }
}

/// Per row of the step, its partner's value in the paired and in the unpaired sort.
fn partners(step: &PreferenceStep) -> Result<(Vec<f64>, Vec<f64>), DpoError> {
    let pairs = step.pairs()?;
    let rows = |places: &[usize]| step.logps(NAME, places);
    let ((w, ref_w), (l, ref_l)) = (rows(&pairs.chosen)?, rows(&pairs.rejected)?);
    let minus =
        |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
    let mut paired = vec![0.0; step.rows.len()];
    let (margins, ref_margins) = (minus(&w, &l), minus(&ref_w, &ref_l));
    for (own, reference) in rising(&margins).into_iter().zip(rising(&ref_margins)) {
        paired[pairs.chosen[own]] = ref_margins[reference];
    }
    let mut unpaired = vec![0.0; step.rows.len()];
    let (chosen, rejected) = (minus(&w, &ref_w), minus(&l, &ref_l));
    for (w, l) in rising(&chosen).into_iter().zip(rising(&rejected)) {
        unpaired[pairs.chosen[w]] = rejected[l];
        unpaired[pairs.rejected[l]] = chosen[w];
    }
    Ok((paired, unpaired))
}

impl Stateful for Dpo {}

impl Objective for Dpo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        Needs {
            ref_logprobs: true,
            old_logprobs: self.config.has_sort(),
            sum_sq: self.config.wpo,
            ..Needs::NONE
        }
    }

    fn scope(&self) -> Scope {
        Scope::Group
    }

    fn prepare(&mut self, step: &StepView<'_>) -> Result<StepContext, BoxError> {
        Ok(self.context(&PreferenceStep::of(step)?)?)
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        if let Some(nothing) = Rows::nothing(stats, targets) {
            return Ok(nothing);
        }
        let rows = Rows::gather(NAME, stats, targets)?;
        let pairs = Pairs::of(&rows)?;
        let [logps, ref_logps] = self.logps(&rows, &pairs)?;
        let log_ratios = logps.clone() - ref_logps;
        let scores = self.config.divergence.scores(log_ratios.clone());
        let side = |places: &[usize]| Side {
            logps: pick(&logps, places),
            log_ratios: pick(&log_ratios, places),
            scores: pick(&scores, places),
            lengths: pick(&rows.lengths, places),
        };
        let step_pairs = (counts.rows / 2.0).max(1.0);
        let mut per_pair: Option<Tensor<1>> = None;
        for part in &self.config.losses {
            let [extra, more] = self.extras(part.loss, &rows, &pairs, context, step_pairs)?;
            let inputs = PairInputs {
                chosen: side(&pairs.chosen),
                rejected: side(&pairs.rejected),
                extra,
                more,
            };
            let loss = part.loss.per_pair(&inputs, self.config.beta) * part.weight;
            per_pair = Some(per_pair.map_or(loss.clone(), |sum| sum + loss));
        }
        let mut per_pair = per_pair.unwrap_or_else(|| logps.clone() * 0.0);
        if self.config.wpo {
            let weights = wpo_weights(rows.logprobs.clone(), rows.sum_sq()?, rows.mask.clone());
            per_pair = per_pair * pick(&weights, &pairs.chosen) * pick(&weights, &pairs.rejected);
        }
        let per_pair = rows.weighted(per_pair, &pairs.chosen)?;
        let rewards = log_ratios * self.config.beta;
        let metrics = metrics::of_pairs(&rows, &pairs, &rewards, &logps)?;
        Ok(Loss { total: per_pair.sum() * step_pairs.recip(), metrics })
    }
}
