//! AFT, RRHF and PRO on groups of scores.

use crate::harness::{Case, Problem};
use crate::tensors::{Outcome, RowBatch, leaf, mean_gradients};
use refire::dpo::loss::{self, AftConstraint};
use refire::dpo::{PreferenceStep, RankingConfig, RankingLoss, StepRow};

/// One group, as an objective sees it: mean log-probabilities of rows of one token.
fn objective(loss: RankingLoss, scores: &[f64], labels: &[f64]) -> Result<Outcome, Problem> {
    let config = RankingConfig { loss, nll_weight: 0.0 };
    let ranking = config.build().map_err(|error| error.to_string())?;
    let row = |label: &f64| StepRow { label: Some(*label), tokens: 1, ..StepRow::default() };
    let context = ranking.context(&PreferenceStep { rows: labels.iter().map(row).collect() });
    let mut batch = RowBatch::new(scores, &vec![1; scores.len()]);
    batch.targets.groups = vec![0; scores.len()];
    batch.targets.labels = Some(labels.to_vec());
    batch.run(&ranking, &context)
}

pub(crate) fn aft(case: &Case) -> Result<(), Problem> {
    let beta = case.config.value("beta").map(|_| case.config.num("beta")).transpose()?;
    let constraint = match (case.config.text("kind")?, beta) {
        ("none", None) => AftConstraint::None,
        ("detached", None) => AftConstraint::Detached,
        ("boundary", Some(beta)) => AftConstraint::Boundary { beta },
        (kind, beta) => return Err(format!("unknown constraint `{kind}` with beta {beta:?}")),
    };
    let (right, wrong) = (case.inputs.nums("pos_scores")?, case.inputs.nums("neg_scores")?);
    let (p, n) = (leaf(&right), leaf(&wrong));
    let (value, gradients) =
        mean_gradients(&loss::aft(p.clone(), n.clone(), constraint), &[&p, &n]);
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);
    close("loss", &[value])?;
    close("grad_pos", &gradients[0])?;
    close("grad_neg", &gradients[1])?;

    let labels: Vec<f64> =
        (0..right.len() + wrong.len()).map(|row| f64::from(u8::from(row < right.len()))).collect();
    if labels.is_empty() {
        return Ok(());
    }
    let scores = [right.clone(), wrong].concat();
    let outcome = objective(RankingLoss::Aft(constraint), &scores, &labels)?;
    close("loss", &[outcome.total])?;
    close("grad_pos", &outcome.gradient[..right.len()])?;
    close("grad_neg", &outcome.gradient[right.len()..])
}

pub(crate) fn rrhf_pro(case: &Case) -> Result<(), Problem> {
    let (scores, rewards) = (case.inputs.nums("scores")?, case.inputs.nums("rewards")?);
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);
    let x = leaf(&scores);
    let (value, gradients) = mean_gradients(&loss::rrhf(x.clone(), &rewards), &[&x]);
    close("rrhf_rank_loss", &[value])?;
    close("rrhf_grad", &gradients[0])?;
    let best = loss::best(&rewards).ok_or("an empty group")?;
    close("rrhf_sft_index", &[best as f64])?;
    let (value, gradients) = mean_gradients(&loss::pro(x.clone(), &rewards), &[&x]);
    close("pro_loss", &[value])?;
    close("pro_grad", &gradients[0])?;

    let rrhf = objective(RankingLoss::Rrhf, &scores, &rewards)?;
    close("rrhf_rank_loss", &[rrhf.total])?;
    close("rrhf_grad", &rrhf.gradient)?;
    let pro = objective(RankingLoss::Pro, &scores, &rewards)?;
    close("pro_loss", &[pro.total])?;
    close("pro_grad", &pro.gradient)
}
