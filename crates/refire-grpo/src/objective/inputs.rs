use super::NAME;
use crate::loss::{RatioBase, Surrogate, SurrogateInputs};
use crate::{PolicyLossConfig, PolicyStep};
use burn::tensor::{Tensor, TensorData};
use refire_core::BoxError;
use refire_objective::{ObjectiveError, Targets, TokenStats};

/// Everything the loss reads, `[rows, time]`, with zeros at masked positions.
///
/// Zeros before any arithmetic, not after: a gradient of 0 that flows back through `exp(inf)`
/// is not a number.
pub(crate) struct Inputs {
    pub(crate) surrogate: SurrogateInputs,
    pub(crate) entropy: Option<Tensor<2>>,
    /// 1 for tokens whose entropy is high enough.
    pub(crate) keep: Option<Tensor<2>>,
    /// Log-probabilities when the tokens were drawn.
    pub(crate) sampler: Tensor<2>,
}

impl Inputs {
    pub(crate) fn gather(
        stats: &TokenStats,
        targets: &Targets,
        step: Option<&PolicyStep>,
        config: &PolicyLossConfig,
    ) -> Result<Self, BoxError> {
        let mask = targets.mask.clone();
        let hidden = mask.clone().equal_scalar(0.0);
        let visible = |what: &'static str, column: &Tensor<2>| {
            let (found, expected) = (column.dims(), mask.dims());
            if found == expected {
                Ok(column.clone().mask_fill(hidden.clone(), 0.0))
            } else {
                let (found, expected) = (found.to_vec(), expected.to_vec());
                Err(ObjectiveError::Shape { what, found, expected })
            }
        };
        let optional = |what: &'static str, column: &Option<Tensor<2>>| {
            column.as_ref().map(|column| visible(what, column)).transpose()
        };
        let logprobs = visible("logprobs", &stats.logprobs)?;
        let advantages = if config.surrogate.reads_advantages() {
            visible("advantages", Targets::require(&targets.advantages, "advantages", NAME)?)?
        } else {
            mask.clone().zeros_like()
        };
        // On-policy the old log-probabilities are the present ones, as constants.
        let old = optional("old_logprobs", &targets.old_logprobs)?
            .unwrap_or_else(|| logprobs.clone())
            .detach();
        let behaviour = optional("behaviour_logprobs", &targets.behaviour_logprobs)?;
        let base = match config.ratio_base {
            RatioBase::Old => old.clone(),
            RatioBase::Behaviour => {
                Targets::require(&behaviour, "behaviour_logprobs", NAME)?.clone().detach()
            }
        };
        let sampler = behaviour.map_or(old, Tensor::detach);
        let ref_logprobs = optional("ref_logprobs", &targets.ref_logprobs)?;
        if config.reads_reference() {
            Targets::require(&ref_logprobs, "ref_logprobs", NAME)?;
        }
        let flags =
            |rows: &Vec<Vec<bool>>| rows_of(rows, targets, |flag| f64::from(u8::from(*flag)));
        let missing = || ObjectiveError::Context { objective: NAME };
        let from_step = |wanted: bool, rows: Option<&Vec<Vec<bool>>>| match (wanted, rows) {
            (false, _) => Ok(None),
            (true, None) => Err(missing()),
            (true, Some(rows)) => flags(rows).map(Some),
        };
        let keep =
            from_step(config.top_entropy.is_some(), step.and_then(|s| s.high_entropy.as_ref()))?;
        let selected = from_step(config.selects(), step.and_then(|s| s.selected.as_ref()))?;
        let correction = match (&config.correction, step.and_then(|s| s.weights.as_ref())) {
            (None, _) => None,
            (Some(_), None) => return Err(missing().into()),
            (Some(_), Some(rows)) => Some(rows_of(rows, targets, |w| *w)?),
        };
        let given = optional("weights", &targets.weights)?;
        let weights = match (given, correction) {
            (Some(given), Some(correction)) => Some(given * correction),
            (given, correction) => given.or(correction),
        };
        let ratio = config.ratio.log_ratio(logprobs.clone(), base.clone(), mask.clone());
        let log_ratio = config.log_ratio_clamp.apply(ratio);
        let entropy = optional("entropy", &stats.entropy)?;
        let surrogate = SurrogateInputs {
            logprobs,
            base_logprobs: base,
            log_ratio,
            advantages,
            mask,
            ref_logprobs,
            weights,
            selected,
            groups: targets.groups.clone(),
        };
        Ok(Self { surrogate, entropy, keep, sampler })
    }
}

/// Rows of the step that a micro-batch holds, padded with 0 to its width.
fn rows_of<T>(
    rows: &[Vec<T>],
    targets: &Targets,
    number: impl Fn(&T) -> f64,
) -> Result<Tensor<2>, ObjectiveError> {
    let [count, width] = targets.mask.dims();
    let mut values = vec![0.0; count * width];
    let (found, expected) = (targets.row_ids.len(), count);
    if found != expected {
        return Err(ObjectiveError::Count { what: "row ids of a batch", found, expected });
    }
    for (padded, id) in values.chunks_mut(width.max(1)).zip(&targets.row_ids) {
        let (what, limit) = ("a row of the step", rows.len());
        let row = rows.get(*id).ok_or(ObjectiveError::Index { what, found: *id, limit })?;
        if row.len() > width {
            let (found, expected) = (vec![row.len()], vec![width]);
            return Err(ObjectiveError::Shape { what: "a row of the step", found, expected });
        }
        padded.iter_mut().zip(row).for_each(|(to, from)| *to = number(from));
    }
    let place = (&targets.mask.device(), targets.mask.dtype());
    Ok(Tensor::from_data(TensorData::new(values, [count, width]), place))
}
