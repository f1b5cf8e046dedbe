//! Why a token learned, or didn't.
//!
//! For a batch, [`explain`] says of each token what its ratio and weight are, what gates it, and
//! with what coefficient its log-probability enters the gradient:
//!
//! ```text
//! coefficient = d loss / d logprob = share * keep * weight * d surrogate / d logprob
//!                                  + share * kl_beta * d KL / d logprob
//! ```
//!
//! The numbers come from the closed forms of [`Surrogate::terms`],
//! not from automatic differentiation; the two agree.

mod columns;
mod table;

use crate::loss::{Gate, RowView, Surrogate, Term, TokenView};
use crate::objective::Inputs;
use crate::{GrpoError, KlBase, PolicyLoss};
use columns::Columns;
use refire_core::{BoxError, Completion};
use refire_objective::{Counts, StepContext, Targets, TokenStats};

/// Why the policy gradient of a token is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It learns.
    Learns,
    /// Its ratio is above the range and its advantage would push it further.
    ClippedHigh,
    /// Its ratio is below the range and its advantage would push it further.
    ClippedLow,
    /// It is a bad token whose ratio is beyond the dual clip or `delta`.
    DualClipped,
    /// Its probability moved out of the trust region.
    TrustRegion,
    /// Its log-ratio is beyond the clamp.
    Bounded,
    /// A choice over the whole step took it out.
    Selected,
    /// Its entropy is not among the highest.
    LowEntropy,
    /// It belongs to a bad row that the policy has left too far behind.
    OffPolicy,
    /// Trainer and sampler disagree too much about it: its weight is 0.
    Rejected,
    /// Nothing pulls it: its row did as well as its siblings.
    ZeroAdvantage,
    /// The mask hides it: a prompt, a tool's output, padding.
    Masked,
    /// Its completion reached the token limit and was masked out.
    Truncated,
    /// Its group was dropped by a filter.
    Filtered,
}

impl Reason {
    /// A few words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Learns => "learns",
            Self::ClippedHigh => "clipped high",
            Self::ClippedLow => "clipped low",
            Self::DualClipped => "dual-clipped",
            Self::TrustRegion => "out of the trust region",
            Self::Bounded => "log-ratio beyond its clamp",
            Self::Selected => "dropped by covariance",
            Self::LowEntropy => "low entropy",
            Self::OffPolicy => "off-policy row",
            Self::Rejected => "weight 0",
            Self::ZeroAdvantage => "zero advantage",
            Self::Masked => "masked",
            Self::Truncated => "truncated",
            Self::Filtered => "group filtered out",
        }
    }

    fn of(gate: Gate) -> Self {
        match gate {
            Gate::Open => Self::Learns,
            Gate::ClippedHigh => Self::ClippedHigh,
            Gate::ClippedLow => Self::ClippedLow,
            Gate::DualClipped => Self::DualClipped,
            Gate::TrustRegion => Self::TrustRegion,
            Gate::Bounded => Self::Bounded,
            Gate::Selected => Self::Selected,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.describe())
    }
}

/// What became of a row before the loss saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RowFate {
    /// It takes part.
    #[default]
    Used,
    /// It was masked out for reaching the token limit.
    Truncated,
    /// Its group was dropped.
    Filtered,
}

impl RowFate {
    /// Of a completion whose mask in force is `mask`.
    pub fn of(completion: &Completion, mask: &[bool]) -> Self {
        let hidden = completion.is_truncated() && mask.iter().all(|m| !m);
        if hidden { Self::Truncated } else { Self::Used }
    }
}

/// One token of an [`Explanation`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenExplanation {
    /// Row within the batch.
    pub row: usize,
    /// Position within the row.
    pub token: usize,
    /// Log-probability now.
    pub logprob: f64,
    /// Ratio at the level of the loss, within its bounds.
    pub ratio: f64,
    /// Advantage.
    pub advantage: f64,
    /// Factor on the surrogate: importance weight and masks.
    pub weight: f64,
    /// What multiplies `-A` in the gradient of the token's own loss: 1 on-policy, 0 where
    /// something holds it; 0 too where `A` is 0.
    pub gate: f64,
    /// Weight of its loss in the batch's: what the aggregation gives it.
    pub share: f64,
    /// `d loss / d logprob` of the surrogate. Where tokens share a ratio, those of others count.
    pub policy: f64,
    /// `d loss / d logprob` of the KL term.
    pub kl: f64,
    /// Why `policy` is what it is.
    pub reason: Reason,
}

impl TokenExplanation {
    /// `d loss / d logprob`.
    pub fn coefficient(&self) -> f64 {
        self.policy + self.kl
    }
}

/// What a loss does to each token of a batch; a table when displayed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// Tokens, row after row, masked ones included.
    pub tokens: Vec<TokenExplanation>,
    /// Index of each row in the step.
    pub row_ids: Vec<usize>,
}

impl Explanation {
    /// Says of hidden rows what hid them; `fate` takes a row's index in the step.
    pub fn with_fates(mut self, fate: impl Fn(usize) -> RowFate) -> Self {
        for token in self.tokens.iter_mut().filter(|t| t.reason == Reason::Masked) {
            match self.row_ids.get(token.row).map(|row| fate(*row)) {
                Some(RowFate::Truncated) => token.reason = Reason::Truncated,
                Some(RowFate::Filtered) => token.reason = Reason::Filtered,
                Some(RowFate::Used) | None => {}
            }
        }
        self
    }

    /// How many tokens have each reason, the most frequent first.
    pub fn summary(&self) -> Vec<(Reason, usize)> {
        let mut counts = std::collections::BTreeMap::<Reason, usize>::new();
        self.tokens.iter().for_each(|t| *counts.entry(t.reason).or_default() += 1);
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

/// Explains one micro-batch; the arguments are those of
/// [`Objective::loss`](refire_objective::Objective::loss).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::explain::{Reason, explain};
/// use refire_grpo::{PolicyLoss, PolicyLossConfig};
/// use refire_objective::{Counts, StepContext, Targets, TokenStats};
///
/// let device = Device::flex();
/// let stats = TokenStats::from_logprobs(Tensor::from_data([[-1.0, -1.0]], &device));
/// let mut targets = Targets::new(Tensor::ones([1, 2], &device));
/// targets.old_logprobs = Some(Tensor::from_data([[-1.0, -3.0]], &device));
/// targets.advantages = Some(Tensor::ones([1, 2], &device));
///
/// let objective = PolicyLoss::new(PolicyLossConfig::default())?;
/// let counts = Counts::of([[true, true]], 1);
/// let table = explain(&objective, &stats, &targets, &StepContext::empty(), &counts)?;
/// assert_eq!(table.tokens[0].reason, Reason::Learns);
/// assert_eq!(table.tokens[1].reason, Reason::ClippedHigh);
/// assert!(table.to_string().contains("clipped high"));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// # Errors
/// When a column that the loss needs is missing or misshapen.
pub fn explain(
    objective: &PolicyLoss,
    stats: &TokenStats,
    targets: &Targets,
    context: &StepContext,
    counts: &Counts,
) -> Result<Explanation, BoxError> {
    if targets.mask.dims()[0] == 0 {
        return Ok(Explanation::default());
    }
    let step = objective.step(context);
    let inputs = Inputs::gather(stats, targets, step, objective.config())?;
    let columns = Columns::read(objective, &inputs, targets, counts);
    let views = columns.views(objective.config());
    let terms = objective.config().surrogate.terms(&views);
    let (kl_beta, _) = objective.coefficients(step);
    let tokens = terms.iter().zip(&views).enumerate().map(|(row, (terms, view))| {
        let kl = kl_terms(objective, &columns, row, view, kl_beta);
        row_of(objective, &columns, row, view, terms, &kl)
    });
    let tokens = tokens.collect::<Result<Vec<_>, GrpoError>>()?.concat();
    Ok(Explanation { tokens, row_ids: targets.row_ids.clone() })
}

/// Coefficients of a row: each token's own part, and what comes back through what they share.
fn through_row(terms: &[Term], factors: &[f64]) -> Vec<f64> {
    let shared: f64 = terms.iter().zip(factors).map(|(t, f)| t.by_row * f).sum();
    let own = terms.iter().zip(factors);
    own.map(|(t, f)| t.by_logprob * f + t.through * shared).collect()
}

/// `d loss / d logprob` of the KL term at a row's visible tokens.
fn kl_terms(
    objective: &PolicyLoss,
    columns: &Columns,
    row: usize,
    view: &RowView,
    beta: f64,
) -> Vec<f64> {
    let config = objective.config();
    if !config.has_kl() {
        return vec![0.0; view.tokens.len()];
    }
    let term = |token: &TokenView| {
        let base = match config.kl_base {
            KlBase::Reference => token.ref_logprob,
            KlBase::Ratio => token.base_logprob,
        };
        let (value, slope) = config.kl_estimator.at(token.logprob - base, config.kl_clamp);
        if !config.kl_bias_correction {
            return Term::own(value, slope, Gate::Open);
        }
        let ratio = token.log_ratio.exp();
        let by_ratio = Term::by_ratio(view, token, value * ratio, value * ratio, Gate::Open);
        Term { by_logprob: by_ratio.by_logprob + slope * ratio, ..by_ratio }
    };
    let terms: Vec<Term> = view.tokens.iter().map(term).collect();
    let visible = columns.visible(row).zip(&view.tokens);
    let factors: Vec<f64> = visible
        .map(|(place, token)| {
            let weight = if config.kl_weighted { token.weight } else { 1.0 };
            columns.share[place] * beta * weight
        })
        .collect();
    through_row(&terms, &factors)
}

fn row_of(
    objective: &PolicyLoss,
    columns: &Columns,
    row: usize,
    view: &RowView,
    terms: &[Term],
    kl: &[f64],
) -> Result<Vec<TokenExplanation>, GrpoError> {
    let surrogate = &objective.config().surrogate;
    let (found, expected) = (terms.len(), view.tokens.len());
    if found != expected {
        return Err(GrpoError::Count { what: "terms of a row", found, expected });
    }
    let weigh = |token: &TokenView| {
        if surrogate.takes_weights() { 1.0 } else { token.weight }
    };
    let places: Vec<usize> = columns.visible(row).collect();
    let masks: Vec<f64> = places.iter().map(|p| columns.keep[*p] * columns.on_policy[*p]).collect();
    let factors: Vec<f64> = places
        .iter()
        .zip(&view.tokens)
        .zip(&masks)
        .map(|((place, token), mask)| columns.share[*place] * weigh(token) * mask)
        .collect();
    let policy = through_row(terms, &factors);
    let mut tokens = columns.hidden_row(row);
    for (index, place) in places.iter().enumerate() {
        let (token, term) = (&view.tokens[index], &terms[index]);
        let slope = term.by_logprob + term.by_row;
        let reason = if columns.keep[*place] == 0.0 {
            Reason::LowEntropy
        } else if columns.on_policy[*place] == 0.0 {
            Reason::OffPolicy
        } else if token.weight == 0.0 {
            Reason::Rejected
        } else if term.gate != Gate::Open {
            Reason::of(term.gate)
        } else if slope == 0.0 && policy[index] == 0.0 {
            Reason::ZeroAdvantage
        } else {
            Reason::Learns
        };
        tokens[place - row * columns.width] = TokenExplanation {
            row,
            token: place - row * columns.width,
            logprob: token.logprob,
            ratio: token.log_ratio.exp(),
            advantage: token.advantage,
            weight: token.weight * masks[index],
            gate: if token.advantage == 0.0 { 0.0 } else { -slope / token.advantage },
            share: columns.share[*place],
            policy: policy[index],
            kl: kl[index],
            reason,
        };
    }
    Ok(tokens)
}
