use super::RatioLevel;
use crate::GrpoError;
use burn::tensor::{Bool, Tensor};
use refire_objective::{Scope, Targets};

/// What a surrogate reads, `[rows, time]` each, with zeros at masked positions.
#[derive(Debug, Clone)]
pub struct SurrogateInputs {
    /// Log-probabilities of the policy; the gradient flows to them.
    pub logprobs: Tensor<2>,
    /// Constant log-probabilities that the ratio compares with.
    pub base_logprobs: Tensor<2>,
    /// Log-ratio at its [`RatioLevel`], within its bounds, with a gradient.
    pub log_ratio: Tensor<2>,
    /// Advantages.
    pub advantages: Tensor<2>,
    /// 1 where the loss sees a token.
    pub mask: Tensor<2>,
    /// Log-probabilities of the reference or teacher.
    pub ref_logprobs: Option<Tensor<2>>,
    /// Importance weights; constants.
    pub weights: Option<Tensor<2>>,
    /// 1 at the tokens that a step-wide choice picked.
    pub selected: Option<Tensor<2>>,
    /// Group of each row.
    pub groups: Vec<usize>,
}

impl SurrogateInputs {
    /// Token ratios from plain tensors, without weights; each row is its own group.
    pub fn new(
        logprobs: Tensor<2>,
        base: Tensor<2>,
        advantages: Tensor<2>,
        mask: Tensor<2>,
    ) -> Self {
        let [rows, _] = logprobs.dims();
        let base = base.detach();
        Self {
            log_ratio: logprobs.clone() - base.clone(),
            advantages: advantages.expand(logprobs.dims()),
            base_logprobs: base,
            logprobs,
            mask,
            ref_logprobs: None,
            weights: None,
            selected: None,
            groups: (0..rows).collect(),
        }
    }

    /// The ratio.
    pub fn ratio(&self) -> Tensor<2> {
        self.log_ratio.clone().exp()
    }

    /// `logprobs - base_logprobs` of every token, without level or bounds.
    pub fn token_log_ratio(&self) -> Tensor<2> {
        self.logprobs.clone() - self.base_logprobs.clone()
    }

    /// `[rows, 1]`: tokens of each row, at least 1.
    pub(crate) fn lengths(&self) -> Tensor<2> {
        self.mask.clone().sum_dim(1).clamp_min(1.0)
    }

    pub(crate) fn chosen(&self, name: &'static str) -> Result<Tensor<2>, GrpoError> {
        let missing = || GrpoError::MissingColumn { loss: name, column: "selected" };
        self.selected.clone().ok_or_else(missing)
    }

    pub(crate) fn reference(&self, name: &'static str) -> Result<Tensor<2>, GrpoError> {
        Ok(Targets::require(&self.ref_logprobs, "ref_logprobs", name)?.clone())
    }
}

/// One token of an explanation, in plain numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenView {
    /// Log-probability now.
    pub logprob: f64,
    /// The constant that the ratio compares with.
    pub base_logprob: f64,
    /// Log-probability of the reference or teacher, 0 where there is none.
    pub ref_logprob: f64,
    /// Log-ratio at its level, within its bounds.
    pub log_ratio: f64,
    /// Whether the bounds on the log-ratio hold it.
    pub bounded: bool,
    /// Advantage.
    pub advantage: f64,
    /// Importance weight.
    pub weight: f64,
    /// Whether a step-wide choice picked it.
    pub selected: bool,
}

/// The visible tokens of one row of an explanation.
#[derive(Debug, Clone, PartialEq)]
pub struct RowView {
    /// Tokens under the mask.
    pub tokens: Vec<TokenView>,
    /// What one ratio covers.
    pub level: RatioLevel,
    /// Group of the row.
    pub group: usize,
}

/// Why a token's gradient is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Gate {
    /// Nothing holds it back.
    Open,
    /// The ratio is above its range and would go further.
    ClippedHigh,
    /// The ratio is below its range and would go further.
    ClippedLow,
    /// The ratio of a bad token is beyond the dual clip or `delta`.
    DualClipped,
    /// The probability moved out of the trust region.
    TrustRegion,
    /// The log-ratio is beyond its clamp.
    Bounded,
    /// A step-wide choice took it out.
    Selected,
}

/// What a loss does at one token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Its loss, before weights and masks.
    pub loss: f64,
    /// `d loss / d logprob` of the token's own log-probability.
    pub by_logprob: f64,
    /// `d loss / d q`, where `q` is what the row's tokens share.
    pub by_row: f64,
    /// `d q / d logprob`.
    pub through: f64,
    /// What holds it back.
    pub gate: Gate,
}

impl Term {
    /// A token whose loss depends on its own log-probability.
    pub fn own(loss: f64, slope: f64, gate: Gate) -> Self {
        Self { loss, by_logprob: slope, by_row: 0.0, through: 0.0, gate }
    }

    /// A token whose loss depends on the log-ratio, at whatever level that is.
    pub fn by_ratio(row: &RowView, token: &TokenView, loss: f64, slope: f64, gate: Gate) -> Self {
        let (slope, gate) = match (token.bounded, gate) {
            (true, Gate::Open) => (0.0, Gate::Bounded),
            (true, gate) => (0.0, gate),
            (false, gate) => (slope, gate),
        };
        match row.level {
            RatioLevel::Token | RatioLevel::SequenceToken => Self::own(loss, slope, gate),
            RatioLevel::Sequence => {
                let through = (row.tokens.len() as f64).recip();
                Self { loss, by_logprob: 0.0, by_row: slope, through, gate }
            }
            RatioLevel::SequenceSum => {
                Self { loss, by_logprob: 0.0, by_row: slope, through: 1.0, gate }
            }
        }
    }
}

/// How a measured column becomes a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Mean over tokens; over rows where they share one ratio.
    Tokens,
    /// Mean over rows, for what a row's tokens share.
    Rows,
    /// Least mean of a row.
    RowMin,
    /// Largest mean of a row.
    RowMax,
}

/// Something measured at every token.
#[derive(Debug, Clone)]
pub struct Measure {
    /// Name of the metric.
    pub name: &'static str,
    /// `[rows, time]`.
    pub values: Tensor<2>,
    /// How it is merged.
    pub over: Over,
}

impl Measure {
    pub(crate) fn tokens(name: &'static str, values: Tensor<2>) -> Self {
        Self { name, values, over: Over::Tokens }
    }

    pub(crate) fn rows(name: &'static str, values: Tensor<2>) -> Self {
        Self { name, values, over: Over::Rows }
    }

    pub(crate) fn flag(name: &'static str, flags: Tensor<2, Bool>, like: &Tensor<2>) -> Self {
        Self::tokens(name, flags.float().cast(like.dtype()))
    }
}

/// A policy-gradient loss per token: the trust region of a method.
///
/// Its two halves say the same thing twice, once for tensors and once for plain numbers:
/// [`per_token`](Self::per_token) trains, [`terms`](Self::terms) explains.
pub trait Surrogate: std::fmt::Debug + Send + Sync {
    /// A short name.
    fn name(&self) -> &'static str;

    /// Every problem of the settings; empty if there is none.
    fn validate(&self) -> Vec<GrpoError> {
        Vec::new()
    }

    /// The unit it must see whole.
    fn scope(&self) -> Scope {
        Scope::Token
    }

    /// Whether it uses the weights itself; otherwise they multiply the loss.
    fn takes_weights(&self) -> bool {
        false
    }

    /// Whether it reads the log-probabilities of a reference or teacher.
    fn reads_reference(&self) -> bool {
        false
    }

    /// Whether it reads advantages.
    fn reads_advantages(&self) -> bool {
        true
    }

    /// `c` where the gradient at ratio 1 is `-c A` whatever the statistics are.
    fn on_policy(&self) -> Option<f64> {
        None
    }

    /// The loss, `[rows, time]`.
    ///
    /// # Errors
    /// When a column it needs is missing.
    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError>;

    /// What its metrics measure.
    fn measure(&self, _inputs: &SurrogateInputs) -> Vec<Measure> {
        Vec::new()
    }

    /// The same loss and its derivatives in plain numbers, for each token of each row.
    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>>;
}

/// [`Surrogate::terms`] of a loss that looks at one token at a time.
pub(crate) fn each(
    rows: &[RowView],
    term: impl Fn(&RowView, &TokenView) -> Term,
) -> Vec<Vec<Term>> {
    rows.iter().map(|row| row.tokens.iter().map(|token| term(row, token)).collect()).collect()
}

/// Checks that a setting is a positive number.
pub(crate) fn positive(field: &'static str, value: f64) -> Option<GrpoError> {
    GrpoError::unless(value.is_finite() && value > 0.0, field, value, "a positive number")
}

/// Checks that a setting is 0 or a positive number.
pub(crate) fn not_negative(field: &'static str, value: f64) -> Option<GrpoError> {
    GrpoError::unless(value.is_finite() && value >= 0.0, field, value, "0 or a positive number")
}
