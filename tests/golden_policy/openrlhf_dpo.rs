//! OpenRLHF's `DPOLoss`.

use super::case::{Case, values};
use super::compare::{EXACT, close};
use refire::burn::tensor::{DType, Device, Tensor, TensorData};
use refire::dpo::loss;

fn column(values: &[f64]) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (&Device::flex().autodiff(), DType::F64))
}

pub(crate) fn check(case: &Case) -> Result<(), String> {
    let beta = case.hyper_number("beta").ok_or("no beta")?;
    let smoothing = case.hyper_number("label_smoothing").unwrap_or(0.0);
    let sides = ["chosen", "rejected"];
    let logps = sides.map(|side| case.list(side));
    let references = sides.map(|side| case.list(&format!("ref_{side}")));
    let leaves = [0, 1].map(|side| column(&logps[side]).require_grad());
    let [chosen, rejected] = [0, 1].map(|side| leaves[side].clone() - column(&references[side]));
    // Its IPO reads no label smoothing.
    let per_pair = match case.hyper_flag("ipo") {
        Some(true) => loss::ipo(chosen, rejected, beta),
        _ => loss::cdpo(chosen, rejected, beta, smoothing),
    };
    let total = per_pair.mean();
    close(&values(total.clone()), &[case.expected_number("loss")], EXACT, "loss")?;
    let grads = total.backward();
    for (index, side) in sides.into_iter().enumerate() {
        let gradient = leaves[index].grad(&grads).ok_or("no gradient")?;
        let name = format!("grad_{side}");
        close(&values(gradient), &case.expected_list(&name), EXACT, &name)?;
        let pairs = logps[index].iter().zip(&references[index]);
        let rewards: Vec<f64> =
            pairs.map(|(policy, reference)| beta * (policy - reference)).collect();
        let name = format!("{side}_rewards");
        close(&rewards, &case.expected_list(&name), EXACT, &name)?;
    }
    Ok(())
}
