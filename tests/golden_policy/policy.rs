use super::case::{Case, tensor, values};
use super::compare::{EXACT, close, zeros};
use super::{Outcome, compare};
use refire::burn::tensor::Tensor;
use refire::core::Metrics;
use refire::grpo::loss::{Surrogate, SurrogateInputs};
use refire::grpo::{PolicyLoss, PolicyLossConfig, PolicyStep};
use refire::objective::{Counts, Objective, StepContext, Targets, TokenStats};

/// The columns of a case under our names.
pub(crate) struct Columns {
    pub(crate) mask: Vec<Vec<bool>>,
    pub(crate) stats: TokenStats,
    pub(crate) targets: Targets,
    pub(crate) counts: Counts,
}

impl Columns {
    /// Log-probabilities `logprobs`, mask and advantages (per row or per token), if there are any.
    pub(crate) fn new(case: &Case, logprobs: &str) -> Self {
        let mask = case.mask();
        let stats = TokenStats::from_logprobs(tensor(&case.rows(logprobs)).require_grad());
        let mut targets = Targets::new(tensor(&case.rows("mask")));
        targets.advantages = case.input("advantages").map(|value| {
            if value[0].is_array() {
                return tensor(&super::case::matrix(value));
            }
            let column: Vec<Vec<f64>> =
                super::case::numbers(value).into_iter().map(|a| vec![a]).collect();
            tensor(&column).expand(targets.mask.dims())
        });
        let counts = Counts::of(&mask, 1);
        Self { mask, stats, targets, counts }
    }

    pub(crate) fn column(case: &Case, key: &str) -> Option<Tensor<2>> {
        case.maybe_rows(key).map(|rows| tensor(&rows))
    }

    /// `[rows, time]` from a column that may have one number per row.
    pub(crate) fn widened(&self, case: &Case, key: &str) -> Option<Tensor<2>> {
        Some(Self::column(case, key)?.expand(self.targets.mask.dims()))
    }

    pub(crate) fn tokens(&self) -> usize {
        self.mask.iter().flatten().filter(|m| **m).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens() == 0
    }

    /// Loss, gradient and metrics as the objective gives them.
    pub(crate) fn run(&self, config: &PolicyLossConfig, step: PolicyStep) -> Result<Ran, String> {
        let objective = PolicyLoss::new(config.clone()).map_err(|e| e.to_string())?;
        let context = StepContext::new(step);
        let loss = objective.loss(&self.stats, &self.targets, &context, &self.counts);
        let loss = loss.map_err(|e| e.to_string())?;
        let gradient = self.stats.logprobs.grad(&loss.total.backward());
        let gradient = gradient.ok_or("the loss has no gradient")?;
        let mut metrics = Metrics::default();
        metrics.extend(loss.metrics);
        let loss = loss.total.into_scalar::<f64>();
        Ok(Ran { loss, gradient: values(gradient), metrics })
    }

    /// The surrogate of every token by itself, weighted: tier one.
    pub(crate) fn per_token(
        &self,
        config: &PolicyLossConfig,
        base: Tensor<2>,
        selected: Option<Tensor<2>>,
    ) -> Result<Vec<Vec<f64>>, String> {
        let logprobs = self.stats.logprobs.clone();
        let mask = self.targets.mask.clone();
        let advantages = self.targets.advantages.clone().ok_or("no advantages")?;
        let mut inputs =
            SurrogateInputs::new(logprobs.clone(), base.clone(), advantages, mask.clone());
        let ratio = config.ratio.log_ratio(logprobs, base, mask);
        inputs.log_ratio = config.log_ratio_clamp.apply(ratio);
        inputs.weights = self.targets.weights.clone();
        inputs.selected = selected;
        let loss = config.surrogate.per_token(&inputs).map_err(|e| e.to_string())?;
        let weights = inputs.weights.filter(|_| !config.surrogate.takes_weights());
        let loss = weights.into_iter().fold(loss, |loss, w| loss * w);
        let width = loss.dims()[1];
        Ok(values(loss).chunks(width).map(<[f64]>::to_vec).collect())
    }
}

pub(crate) struct Ran {
    pub(crate) loss: f64,
    pub(crate) gradient: Vec<f64>,
    pub(crate) metrics: Metrics,
}

impl Ran {
    /// Value and gradient against the peer's, scaled by what its caller divides by.
    pub(crate) fn check(&self, case: &Case, scale: f64, tolerance: f64) -> Result<(), String> {
        let loss = self.loss * scale;
        let gradient: Vec<f64> = self.gradient.iter().map(|g| g * scale).collect();
        close(&[loss], &[case.expected_number("loss")], tolerance, "loss")?;
        close(&gradient, &case.expected_rows("grad").concat(), tolerance, "gradient")
    }

    /// A metric against the peer's, which may divide by one 1e-8 more than there are tokens.
    pub(crate) fn metric(
        &self,
        ours: &str,
        theirs: Option<f64>,
        factor: f64,
    ) -> Result<(), String> {
        let Some(theirs) = theirs.filter(|value| value.is_finite()) else { return Ok(()) };
        let ours_value = self.metrics.get(ours).ok_or_else(|| format!("no metric {ours}"))?;
        close(&[ours_value * factor], &[theirs], EXACT, ours)
    }

    /// What we return for a batch without tokens.
    pub(crate) fn is_zero(&self) -> Result<(), String> {
        zeros(&[self.loss], "loss")?;
        zeros(&self.gradient, "gradient")
    }
}

pub(crate) const EMPTY: &str = "without any token the peer divides 0 by 0, ours is 0";

/// An outcome where the peer may have divided 0 by 0 for lack of tokens.
pub(crate) fn or_empty(
    case: &Case,
    columns: &Columns,
    ran: &Ran,
    check: impl FnOnce() -> Result<(), String>,
) -> Outcome {
    if columns.is_empty() && case.expected_number("loss").is_nan() {
        case.ignore(&["expected.grad", "expected.metrics", "expected.per_token_loss"]);
        return Outcome::excepted(EMPTY, ran.is_zero());
    }
    check().into()
}

pub(crate) use compare::seen;
