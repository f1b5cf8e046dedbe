//! Losses of single tokens from logits: cross-entropy, DFT, ASFT and cross-entropy with a KL.

use crate::harness::{Case, Problem};
use crate::logits::{leaf, shifted, stats};
use crate::tensors::{gradient, grid, host};
use refire::burn::tensor::Tensor;
use refire::burn::tensor::activation::log_softmax;
use refire::core::KlDirection;
use refire::objective::{Counts, Objective, StepContext, Targets, TokenStats};
use refire::sft::loss::{Anchored, AsftConfig};
use refire::sft::{LikelihoodConfig, NllConfig, divergence, loss};

/// Label of a token that isn't learned.
const IGNORED: f64 = -100.0;

struct Batch {
    logits: Tensor<3>,
    stats: TokenStats,
    mask: Tensor<2>,
    masks: Vec<Vec<bool>>,
    config: LikelihoodConfig,
}

impl Batch {
    fn of(case: &Case) -> Result<Self, Problem> {
        let config = config(case)?;
        let shape = case.inputs.shape("logits")?;
        let (rows, time) = (shape[0], shape[1]);
        let labels = case.inputs.nums("labels")?;
        let logits = leaf(&case.inputs.nums("logits")?, &shape);
        let mut stats = stats(&logits, &labels);
        let reference = case.inputs.nums_if("ref_logits")?;
        if let LikelihoodConfig::Asft(asft) = &config {
            let reference = reference.ok_or("no reference")?;
            let log_probs = |logits: Tensor<3>| log_softmax(logits.narrow(1, 0, time - 1), 2);
            let student = log_probs(logits.clone());
            let teacher = log_probs(leaf(&reference, &shape).detach());
            stats.full_kl = Some(match asft.direction {
                KlDirection::Forward => divergence::forward_kl(student, teacher),
                KlDirection::Reverse => divergence::reverse_kl(student, teacher),
                #[allow(unreachable_patterns, reason = "the enum may grow")]
                other => return Err(format!("{other:?} is no KL")),
            });
        }
        let learned: Vec<bool> =
            shifted(&labels, time).iter().map(|label| *label != IGNORED).collect();
        let mask: Vec<f64> = learned.iter().map(|m| f64::from(u8::from(*m))).collect();
        let masks = learned.chunks(time - 1).map(<[bool]>::to_vec).collect();
        Ok(Self { logits, stats, mask: grid(&mask, [rows, time - 1]), masks, config })
    }

    fn counts(&self, case: &Case) -> Result<Counts, Problem> {
        let mut counts = Counts::of(&self.masks, 1);
        case.close("n_valid", &[counts.tokens], &case.outputs.nums("n_valid")?)?;
        counts.tokens = case.config.num_or("num_items_in_batch", counts.tokens)?;
        Ok(counts)
    }

    /// The plain functions, `[rows, time]`.
    fn per_token(&self) -> Result<Tensor<2>, Problem> {
        let logprobs = self.stats.logprobs.clone();
        Ok(match &self.config {
            LikelihoodConfig::Nll(nll) => {
                let mean = self.stats.mean_logprob.clone().ok_or("no mean")?;
                loss::smoothed_nll(logprobs, mean, nll.label_smoothing)
            }
            LikelihoodConfig::Dft {} => loss::dft(logprobs),
            LikelihoodConfig::Asft(asft) => {
                let kl = self.stats.full_kl.clone().ok_or("no divergence")?;
                loss::asft(logprobs, kl, asft.anchored, asft.kl_weight)
            }
            other => return Err(format!("no function for {other:?}")),
        })
    }
}

fn config(case: &Case) -> Result<LikelihoodConfig, Problem> {
    let config = &case.config;
    let asft = |anchored| {
        let direction = match config.text("kl")? {
            "ref||policy" => KlDirection::Forward,
            "policy||ref" => KlDirection::Reverse,
            other => return Err(format!("unknown divergence `{other}`")),
        };
        let kl_weight = config.num("kl_weight")?;
        Ok(LikelihoodConfig::Asft(AsftConfig { anchored, kl_weight, direction }))
    };
    match config.text("kind")? {
        "nll" => {
            let label_smoothing = config.num_or("label_smoothing", 0.0)?;
            Ok(LikelihoodConfig::Nll(NllConfig { label_smoothing }))
        }
        "dft" => Ok(LikelihoodConfig::Dft {}),
        "asft" => asft(Anchored::Dft),
        "sft+kl" => asft(Anchored::Nll),
        other => Err(format!("unknown loss `{other}`")),
    }
}

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let batch = Batch::of(case)?;
    let counts = batch.counts(case)?;
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);
    let visible = batch.per_token()?.mask_fill(batch.mask.clone().equal_scalar(0.0), 0.0);
    close("per_token_loss", &host(&visible))?;
    close("per_row_sum", &host(&visible.clone().sum_dim(1)))?;
    let total = visible.sum() * counts.tokens.max(1.0).recip();
    close("loss", &host(&total))?;
    close("grad_logits", &gradient(&batch.logits, &total.backward()))?;

    // A backward pass uses its graph up.
    let batch = Batch::of(case)?;
    let objective = batch.config.build().map_err(|error| error.to_string())?;
    let targets = Targets::new(batch.mask.clone());
    let context = StepContext::empty();
    let loss = objective.loss(&batch.stats, &targets, &context, &counts);
    let total = loss.map_err(|error| error.to_string())?.total;
    close("loss", &host(&total))?;
    close("grad_logits", &gradient(&batch.logits, &total.backward()))?;
    known(case, &batch, objective.as_ref(), &counts)
}

/// Where the gradient is known beforehand, it is the same.
fn known(
    case: &Case,
    batch: &Batch,
    objective: &dyn Objective,
    counts: &Counts,
) -> Result<(), Problem> {
    let targets = Targets::new(batch.mask.clone());
    let Some(coefficients) = objective.known_coefficients(&targets, counts) else {
        return Ok(());
    };
    let fresh = Batch::of(case)?;
    let total = (fresh.stats.logprobs.clone() * coefficients).sum();
    let theirs = case.outputs.nums("grad_logits")?;
    case.close("known gradient", &gradient(&fresh.logits, &total.backward()), &theirs)
}
