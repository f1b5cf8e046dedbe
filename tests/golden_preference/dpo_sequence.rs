//! TRL's `DPOTrainer` from log-probabilities of whole completions.

use crate::harness::{Case, Problem};
use crate::oracle::{Dual, OVERFLOW, Settings, pair_loss};
use crate::tensors::{RowBatch, column, host, leaf, mean_gradients};
use refire::burn::tensor::Tensor;
use refire::dpo::{DpoConfig, FDivergence, PairLoss, PreferenceStep, StepRow, loss};

/// The options of a case.
pub(crate) struct Options {
    pub(crate) kind: String,
    pub(crate) beta: f64,
    pub(crate) label_smoothing: f64,
    pub(crate) tau: f64,
    pub(crate) divergence: FDivergence,
}

impl Options {
    pub(crate) fn of(case: &Case) -> Result<Self, Problem> {
        let config = &case.config;
        let coefficient = config.num_or("f_alpha_divergence_coef", 0.5)?;
        let divergence = match config.value("f_divergence_type").and_then(|v| v.as_str()) {
            None | Some("reverse_kl") => FDivergence::ReverseKl,
            Some("forward_kl") => FDivergence::ForwardKl,
            Some("js_divergence") => FDivergence::JsDivergence,
            Some("alpha_divergence") => FDivergence::AlphaDivergence { coefficient },
            Some(other) => return Err(format!("unknown divergence `{other}`")),
        };
        Ok(Self {
            kind: config.value("loss_type").and_then(|v| v.as_str()).unwrap_or("").to_owned(),
            beta: config.num("beta")?,
            label_smoothing: config.num_or("label_smoothing", 0.0)?,
            tau: config.num_or("discopop_tau", 0.05)?,
            divergence,
        })
    }

    /// A loss by its name in TRL.
    pub(crate) fn loss(&self, kind: &str) -> Result<PairLoss, Problem> {
        let label_smoothing = self.label_smoothing;
        Ok(match kind {
            // TRL's sigmoid ignores label smoothing.
            "sigmoid" => PairLoss::Sigmoid,
            "hinge" => PairLoss::Hinge,
            "ipo" => PairLoss::Ipo,
            "exo_pair" => PairLoss::ExoPair { label_smoothing },
            "nca_pair" => PairLoss::NcaPair,
            "robust" => PairLoss::Robust { label_smoothing },
            "bco_pair" => PairLoss::BcoPair,
            "sppo_hard" => PairLoss::SppoHard,
            "aot" => PairLoss::Aot { label_smoothing },
            "aot_unpaired" => PairLoss::AotUnpaired { label_smoothing },
            "apo_zero" => PairLoss::ApoZero,
            "apo_down" => PairLoss::ApoDown,
            "discopop" => PairLoss::Discopop { tau: self.tau },
            "sigmoid_norm" => PairLoss::SigmoidNorm,
            "sft" => PairLoss::Sft,
            other => return Err(format!("unknown loss `{other}`")),
        })
    }
}

/// Log-probabilities and lengths of pairs: chosen, rejected, and the same of the reference.
#[derive(Debug, Clone)]
pub(crate) struct Sequences {
    pub(crate) logps: [Vec<f64>; 2],
    pub(crate) ref_logps: [Vec<f64>; 2],
    pub(crate) lengths: [Vec<f64>; 2],
}

impl Sequences {
    fn of(case: &Case) -> Result<Self, Problem> {
        let get = |key: &str| case.inputs.nums(key);
        Ok(Self {
            logps: [get("chosen_logps")?, get("rejected_logps")?],
            ref_logps: [get("ref_chosen_logps")?, get("ref_rejected_logps")?],
            lengths: [get("chosen_lens")?, get("rejected_lens")?],
        })
    }

    fn row(&self, at: usize) -> Self {
        let one = |sides: &[Vec<f64>; 2]| [vec![sides[0][at]], vec![sides[1][at]]];
        Self {
            logps: one(&self.logps),
            ref_logps: one(&self.ref_logps),
            lengths: one(&self.lengths),
        }
    }

    fn ratios(&self, at: usize) -> [f64; 2] {
        [0, 1].map(|side| self.logps[side][at] - self.ref_logps[side][at])
    }
}

fn score(divergence: FDivergence, ratio: Dual) -> Dual {
    match divergence {
        FDivergence::ReverseKl => ratio,
        FDivergence::ForwardKl => -(-ratio).exp(),
        FDivergence::JsDivergence => -(-ratio).softplus(),
        FDivergence::AlphaDivergence { coefficient } if (coefficient - 1.0).abs() < 1e-6 => ratio,
        FDivergence::AlphaDivergence { coefficient } => {
            (ratio * (coefficient - 1.0)).capped_exp(80.0) * (coefficient - 1.0).recip()
        }
    }
}

/// By which rule the peer's answer for these pairs isn't a number.
fn exception(options: &Options, sequences: &Sequences) -> Option<&'static str> {
    for ratios in (0..sequences.logps[0].len()).map(|at| sequences.ratios(at)) {
        let unbounded = |r: f64| match options.divergence {
            FDivergence::ForwardKl => -(-r).exp(),
            other => score(other, Dual::constant(r)).value,
        };
        let sorted = matches!(options.kind.as_str(), "aot" | "aot_unpaired" | "apo_zero");
        if options.divergence == FDivergence::ForwardKl
            && !sorted
            && ratios.iter().any(|r| -r > OVERFLOW)
        {
            return Some("the peer's forward KL overflows where a log-ratio is below -709");
        }
        let [w, l] = ratios.map(unbounded);
        if options.kind == "discopop" && -options.beta * (w - l) > OVERFLOW {
            return Some("the peer multiplies the overflowing exponential of a lost pair by zero");
        }
    }
    None
}

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let options = Options::of(case)?;
    let sequences = Sequences::of(case)?;
    if let Some(rule) = exception(&options, &sequences) {
        case.expect_exception(rule);
    }
    functions(case, &options, &sequences)?;
    objective(case, &options, &sequences)
}

/// Both sides as leaves; an empty completion has nothing to learn.
fn leaves(sequences: &Sequences) -> [Tensor<1>; 2] {
    [leaf(&sequences.logps[0]), leaf(&sequences.logps[1])]
}

fn of_sequences(
    options: &Options,
    sequences: &Sequences,
    [chosen, rejected]: [Tensor<1>; 2],
) -> Result<Tensor<1>, Problem> {
    let [n_w, n_l] = [0, 1].map(|side| column(&sequences.lengths[side]));
    // A row of no tokens is a sum over nothing.
    let seen = |x: Tensor<1>, n: &Tensor<1>| x.mask_fill(n.clone().equal_scalar(0.0), 0.0);
    let logps = [seen(chosen, &n_w), seen(rejected, &n_l)];
    let ref_logps = [0, 1].map(|side| column(&sequences.ref_logps[side]));
    per_pair(&options.kind, options, logps, ref_logps, [n_w, n_l])
}

/// A loss by its name in TRL, `[pairs]`.
pub(crate) fn per_pair(
    kind: &str,
    options: &Options,
    [chosen, rejected]: [Tensor<1>; 2],
    [ref_w, ref_l]: [Tensor<1>; 2],
    [n_w, n_l]: [Tensor<1>; 2],
) -> Result<Tensor<1>, Problem> {
    let (r_w, r_l) = (chosen.clone() - ref_w.clone(), rejected.clone() - ref_l.clone());
    let (w, l) = (options.divergence.scores(r_w.clone()), options.divergence.scores(r_l.clone()));
    let (beta, e) = (options.beta, options.label_smoothing);
    Ok(match kind {
        "sigmoid" => loss::sigmoid(w, l, beta),
        "hinge" => loss::hinge(w, l, beta),
        "ipo" => loss::ipo_norm(w, l, n_w, n_l, beta),
        "exo_pair" => loss::exo_pair(w, l, beta, e),
        "nca_pair" => loss::nca_pair(w, l, beta),
        "robust" => loss::robust(w, l, beta, e),
        "bco_pair" => loss::bco_pair(w, l, beta),
        "sppo_hard" => loss::sppo_hard(w, l, beta),
        "aot" => loss::aot(chosen, rejected, ref_w, ref_l, beta, e),
        "aot_unpaired" => loss::aot_unpaired(r_w, r_l, beta, e),
        "apo_zero" => loss::apo_zero(r_w, r_l, beta),
        "apo_down" => loss::apo_down(r_w, w, l, beta),
        "discopop" => loss::discopop(w, l, beta, options.tau),
        "sigmoid_norm" => loss::sigmoid_norm(w, l, n_w, n_l, beta),
        other => return Err(format!("unknown loss `{other}`")),
    })
}

/// The plain functions.
fn functions(case: &Case, options: &Options, sequences: &Sequences) -> Result<(), Problem> {
    let sides = leaves(sequences);
    let loss = of_sequences(options, sequences, sides.clone())?;
    let (mean, gradients) = mean_gradients(&loss, &[&sides[0], &sides[1]]);
    case.close("loss_mean", &[mean], &case.outputs.nums("loss_mean")?)?;
    case.close("grad_chosen_logps", &gradients[0], &case.outputs.nums("grad_chosen_logps")?)?;
    case.close("grad_rejected_logps", &gradients[1], &case.outputs.nums("grad_rejected_logps")?)?;

    let pairs = sequences.logps[0].len();
    let mut singles = Vec::new();
    for at in 0..pairs {
        let row = sequences.row(at);
        singles.extend(host(&of_sequences(options, &row, leaves(&row))?));
    }
    let expected = case.outputs.nums("loss_per_example_singleton")?;
    case.close("loss_per_example_singleton", &singles, &expected)?;
    if case.has_exception() {
        claims(case, options, sequences, &singles, &gradients)?;
    }

    let rewards = |side: usize| -> Vec<f64> {
        let columns = sequences.logps[side].iter().zip(&sequences.ref_logps[side]);
        columns.map(|(policy, reference)| options.beta * (policy - reference)).collect()
    };
    let (chosen, rejected) = (rewards(0), rewards(1));
    let margins: Vec<f64> = chosen.iter().zip(&rejected).map(|(w, l)| w - l).collect();
    let won: Vec<f64> =
        chosen.iter().zip(&rejected).map(|(w, l)| f64::from(u8::from(w > l))).collect();
    case.close("rewards_chosen", &chosen, &case.outputs.nums("rewards_chosen")?)?;
    case.close("rewards_rejected", &rejected, &case.outputs.nums("rewards_rejected")?)?;
    case.close("margins", &margins, &case.outputs.nums("margins")?)?;
    case.close("accuracies", &won, &case.outputs.nums("accuracies")?)
}

/// What we return where the peer's answer is no number: the loss of bounded scores.
fn claims(
    case: &Case,
    options: &Options,
    sequences: &Sequences,
    singles: &[f64],
    gradients: &[Vec<f64>],
) -> Result<(), Problem> {
    let pairs = singles.len() as f64;
    for (at, single) in singles.iter().enumerate() {
        let settings = Settings {
            lengths: [sequences.lengths[0][at], sequences.lengths[1][at]],
            beta: options.beta,
            label_smoothing: options.label_smoothing,
            tau: options.tau,
        };
        for side in [0, 1] {
            let mut ratios = sequences.ratios(at).map(Dual::constant);
            ratios[side] = Dual::input(ratios[side].value);
            let scores = ratios.map(|r| score(options.divergence, r));
            let claim = pair_loss(&options.kind, ratios[0], scores, &settings);
            let claim = claim.ok_or("no claim is made for this loss")?;
            case.instead("loss", &[*single], &[claim.value])?;
            case.instead("gradient", &[gradients[side][at]], &[claim.slope / pairs])?;
        }
    }
    Ok(())
}

/// The objective, on rows of tokens.
fn objective(case: &Case, options: &Options, sequences: &Sequences) -> Result<(), Problem> {
    let lengths: Vec<usize> = sequences.lengths.concat().iter().map(|n| *n as usize).collect();
    let config = DpoConfig {
        divergence: options.divergence,
        ..DpoConfig::of(options.loss(&options.kind)?, options.beta)
    };
    let dpo = config.build().map_err(|error| error.to_string())?;
    let batch = RowBatch::new(&sequences.logps.concat(), &lengths)
        .with_reference(&sequences.ref_logps.concat())
        .paired();
    let context = dpo.context(&step(sequences)).map_err(|error| error.to_string())?;
    let outcome = batch.run(&dpo, &context)?;
    let (chosen, rejected) = outcome.gradient.split_at(sequences.logps[0].len());
    case.close("objective", &[outcome.total], &case.outputs.nums("loss_mean")?)?;
    case.close("objective, chosen", chosen, &case.outputs.nums("grad_chosen_logps")?)?;
    case.close("objective, rejected", rejected, &case.outputs.nums("grad_rejected_logps")?)?;
    case.metrics("metrics", &outcome.metrics, &[])
}

fn step(sequences: &Sequences) -> PreferenceStep {
    let pairs = sequences.logps[0].len();
    let row = |at: usize, side: usize| StepRow {
        group: at,
        label: Some(if side == 0 { 1.0 } else { 0.0 }),
        tokens: sequences.lengths[side][at] as usize,
        logps: Some(sequences.logps[side][at]),
        ref_logps: Some(sequences.ref_logps[side][at]),
    };
    let rows = [0, 1].into_iter().flat_map(|side| (0..pairs).map(move |at| row(at, side)));
    PreferenceStep { rows: rows.collect() }
}
