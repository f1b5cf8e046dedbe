//! CoPG on pairs with rewards.

use crate::harness::{Case, Problem};
use crate::tensors::{RowBatch, column, host, leaf, mean_gradients};
use refire::dpo::{CopgConfig, PreferenceStep, StepRow, loss};

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let beta = case.config.num("beta")?;
    let side = |name: &str| {
        let get = |what: &str| case.inputs.nums(&format!("{what}_{name}"));
        Ok::<_, Problem>((get("logp")?, get("ref")?, get("reward")?))
    };
    let (a, b) = (side("a")?, side("b")?);
    let pairs = a.0.len();
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);

    let (x, y) = (leaf(&a.0), leaf(&b.0));
    let (r_a, r_b) = (x.clone() - column(&a.1), y.clone() - column(&b.1));
    let per_pair = loss::copg(r_a, r_b, column(&a.2), column(&b.2), beta);
    let (mean, gradients) = mean_gradients(&per_pair, &[&x, &y]);
    close("loss_per_example", &host(&per_pair))?;
    close("loss_mean", &[mean])?;
    close("grad_a", &gradients[0])?;
    close("grad_b", &gradients[1])?;

    let copg = CopgConfig { beta }.build().map_err(|error| error.to_string())?;
    let row = |row: usize| StepRow { group: row % pairs, label: Some(0.0), ..StepRow::default() };
    let context = copg.context(&PreferenceStep { rows: (0..2 * pairs).map(row).collect() });
    let mut batch = RowBatch::new(&[a.0, b.0].concat(), &vec![1; 2 * pairs])
        .with_reference(&[a.1, b.1].concat())
        .paired();
    batch.targets.labels = Some([a.2, b.2].concat());
    let outcome = batch.run(&copg, &context)?;
    close("loss_mean", &[outcome.total])?;
    close("grad_a", &outcome.gradient[..pairs])?;
    close("grad_b", &outcome.gradient[pairs..])
}
