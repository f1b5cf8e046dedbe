//! TRL's `CPOTrainer.cpo_loss`: CPO, SimPO, AlphaPO.

use crate::harness::{Case, Problem};
use crate::oracle::Dual;
use crate::tensors::{RowBatch, host, leaf, mean_gradients};
use refire::burn::tensor::Tensor;
use refire::dpo::{CpoConfig, CpoLoss, loss};
use refire::objective::StepContext;

struct Options {
    config: CpoConfig,
}

impl Options {
    fn of(case: &Case) -> Result<Self, Problem> {
        let config = &case.config;
        // AlphaPO is a shape of the reward, whatever the loss: the name says nothing more.
        let name = config.text("loss_type")?.trim_end_matches("+alphapo").to_owned();
        let gamma = config.num_or("simpo_gamma", 0.5)?;
        let loss = match name.as_str() {
            "sigmoid" => CpoLoss::Sigmoid,
            "hinge" => CpoLoss::Hinge,
            "ipo" => CpoLoss::Ipo,
            "simpo" => CpoLoss::Simpo { gamma },
            other => return Err(format!("unknown loss `{other}`")),
        };
        let smooth = matches!(loss, CpoLoss::Sigmoid | CpoLoss::Simpo { .. });
        let label_smoothing = config.num_or("label_smoothing", 0.0)?;
        let config = CpoConfig {
            beta: config.num("beta")?,
            loss,
            // The others don't read it, and we refuse what isn't read.
            label_smoothing: if smooth { label_smoothing } else { 0.0 },
            alpha: config.num_or("alpha", 0.0)?,
            nll_weight: 0.0,
        };
        Ok(Self { config })
    }

    fn per_pair(&self, chosen: Tensor<1>, rejected: Tensor<1>) -> Tensor<1> {
        let CpoConfig { beta, label_smoothing: e, alpha, .. } = self.config;
        let (w, l) = (loss::alphapo_rewards(chosen, alpha), loss::alphapo_rewards(rejected, alpha));
        match self.config.loss {
            CpoLoss::Sigmoid => loss::cdpo(w, l, beta, e),
            CpoLoss::Hinge => loss::hinge(w, l, beta),
            CpoLoss::Ipo => loss::ipo(w, l, beta),
            CpoLoss::Simpo { gamma } => loss::simpo(w, l, beta, gamma, e),
        }
    }

    fn reward(&self, logp: Dual) -> Dual {
        let alpha = self.config.alpha;
        if alpha == 0.0 {
            return logp;
        }
        ((logp * -alpha).exp() + -1.0) * -alpha.recip()
    }

    /// What we return for a pair.
    fn claim(&self, chosen: Dual, rejected: Dual) -> Dual {
        let CpoConfig { beta, label_smoothing: e, .. } = self.config;
        let difference = self.reward(chosen) - self.reward(rejected);
        let logistic = |x: Dual| (-x).softplus() * (1.0 - e) + x.softplus() * e;
        match self.config.loss {
            CpoLoss::Sigmoid => logistic(difference * beta),
            CpoLoss::Hinge => (difference * -beta + 1.0).relu(),
            CpoLoss::Ipo => (difference + -0.5 / beta) * (difference + -0.5 / beta),
            CpoLoss::Simpo { gamma } => logistic(difference * beta + -gamma),
        }
    }
}

/// Below this a probability is 0 or has lost its digits.
const UNDERFLOW: f64 = -708.3;
/// Below this it is 0.
const ZERO: f64 = -745.2;

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let options = Options::of(case)?;
    let sides = [case.inputs.nums("chosen_logps")?, case.inputs.nums("rejected_logps")?];
    let (chosen, rejected) = (leaf(&sides[0]), leaf(&sides[1]));
    let loss = options.per_pair(chosen.clone(), rejected.clone());
    let (mean, gradients) = mean_gradients(&loss, &[&chosen, &rejected]);
    let below = |bound: f64| sides.concat().iter().any(|logp| *logp < bound);
    let powers = options.config.alpha != 0.0;
    if powers && below(UNDERFLOW) {
        case.expect_exception("the peer raises a probability that underflows to a power");
        claims(case, &options, &sides, &host(&loss), &gradients)?;
    }
    // With few digits the peer's numbers are finite and wrong.
    let denormal = sides.concat().iter().any(|logp| (ZERO..UNDERFLOW).contains(logp));
    let close = |what: &str, ours: &[f64]| {
        let theirs = case.outputs.nums(what)?;
        if powers && denormal { Ok(()) } else { case.close(what, ours, &theirs) }
    };
    close("loss_per_example", &host(&loss))?;
    close("loss_mean", &[mean])?;
    close("grad_chosen_logps", &gradients[0])?;
    close("grad_rejected_logps", &gradients[1])?;

    let batch = RowBatch::new(&sides.concat(), &vec![1; 2 * sides[0].len()]).paired();
    let cpo = options.config.build().map_err(|error| error.to_string())?;
    let outcome = batch.run(&cpo, &StepContext::empty())?;
    let (w, l) = outcome.gradient.split_at(sides[0].len());
    close("loss_mean", &[outcome.total])?;
    close("grad_chosen_logps", w)?;
    close("grad_rejected_logps", l)?;

    let reward = |logp: &f64| options.reward(Dual::constant(*logp)).value * options.config.beta;
    let rewards = [0, 1].map(|side| sides[side].iter().map(reward).collect::<Vec<f64>>());
    close("rewards_chosen", &rewards[0])?;
    close("rewards_rejected", &rewards[1])?;
    let pairs = || rewards[0].iter().zip(&rewards[1]);
    close("margins", &pairs().map(|(w, l)| w - l).collect::<Vec<f64>>())?;
    let won: Vec<f64> = pairs().map(|(w, l)| f64::from(u8::from(w > l))).collect();
    close("accuracies", &won)?;
    let mean = rewards[0].iter().sum::<f64>() / rewards[0].len() as f64;
    let metric = outcome.metrics.get("rewards/chosen").ok_or("no metric rewards/chosen")?;
    crate::harness::near("rewards/chosen", metric, mean)
}

fn claims(
    case: &Case,
    options: &Options,
    sides: &[Vec<f64>; 2],
    losses: &[f64],
    gradients: &[Vec<f64>],
) -> Result<(), Problem> {
    let pairs = losses.len() as f64;
    for (at, loss) in losses.iter().enumerate() {
        for side in [0, 1] {
            let mut logps = [sides[0][at], sides[1][at]].map(Dual::constant);
            logps[side] = Dual::input(logps[side].value);
            let claim = options.claim(logps[0], logps[1]);
            case.instead("loss", &[*loss], &[claim.value])?;
            case.instead("gradient", &[gradients[side][at]], &[claim.slope / pairs])?;
        }
    }
    Ok(())
}
