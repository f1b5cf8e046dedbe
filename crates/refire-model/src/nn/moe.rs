//! A mixture of experts: a router sends each token to a few of many feed-forward layers.

use super::routing::{Routing, router_weights};
use super::{Expert, Linear};
use crate::weights::host_values;
use crate::{Activation, ModelError, MoeSpec};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::softmax};

/// `[n, hidden]` to the same.
///
/// Experts run on the tokens that were sent to them only; which those are is decided on the host,
/// from the router's probabilities. Gradients reach the router through the weights.
pub(super) fn forward(
    router: &Linear,
    experts: &[Expert],
    x: Tensor<2>,
    spec: &MoeSpec,
    act: Activation,
) -> Result<(Tensor<2>, Routing), ModelError> {
    let ([n, hidden], device) = (x.dims(), x.device());
    let probabilities = softmax(router.forward(x.clone()), 1);
    let host = host_values("the router's probabilities", probabilities.clone())?;
    let plan = Plan::new(&host, spec);
    let routing = plan.routing(probabilities.clone());
    let indices = |indices: &[usize]| positions(indices, &device);
    let outputs = plan.tokens.iter().zip(experts).filter(|(tokens, _)| !tokens.is_empty());
    let outputs =
        outputs.map(|(tokens, expert)| expert.forward(x.clone().select(0, indices(tokens)), act));
    // From the order of experts to that of tokens, `active` rows for each.
    let sorted = Tensor::cat(outputs.collect(), 0).select(0, indices(&plan.places));
    let chosen = indices(&plan.chosen).reshape([n, spec.active]);
    let weights = probabilities.gather(1, chosen);
    let weights = match spec.normalize {
        true => weights.clone() / weights.sum_dim(1),
        false => weights,
    };
    let weighted = sorted.reshape([n, spec.active, hidden]) * weights.unsqueeze_dim(2);
    Ok((weighted.sum_dim(1).reshape([n, hidden]), routing))
}

/// Which tokens go where.
struct Plan {
    /// `[n, active]`: each token's experts.
    chosen: Vec<usize>,
    /// Each expert's tokens.
    tokens: Vec<Vec<usize>>,
    /// `[n, active]`: where each result lies among those of all experts, one expert after another.
    places: Vec<usize>,
}

impl Plan {
    fn new(probabilities: &[f32], spec: &MoeSpec) -> Self {
        let mut tokens = vec![Vec::new(); spec.experts];
        let (mut chosen, mut ranks) = (Vec::new(), Vec::new());
        for (token, probabilities) in probabilities.chunks_exact(spec.experts).enumerate() {
            for (expert, _) in router_weights(probabilities, spec.active, false) {
                chosen.push(expert);
                ranks.push(tokens[expert].len());
                tokens[expert].push(token);
            }
        }
        let starts = tokens.iter().scan(0, |start, tokens| {
            let begin = *start;
            *start += tokens.len();
            Some(begin)
        });
        let starts: Vec<usize> = starts.collect();
        let places = chosen.iter().zip(ranks).map(|(expert, rank)| starts[*expert] + rank);
        let places = places.collect();
        Self { chosen, tokens, places }
    }

    fn routing(&self, probabilities: Tensor<2>) -> Routing {
        let counts = self.tokens.iter().map(|tokens| tokens.len() as f64).collect();
        let tokens = probabilities.dims()[0] as f64;
        let probabilities = probabilities.sum_dim(0).flatten(0, 1);
        Routing { probabilities, counts, tokens }
    }
}

fn positions(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
