//! AdamW, one number by each unit, in place where nobody else holds a tensor.

use super::launch::{Kernel, Kind, Launch, fixed};
use super::memory::{Arg, each, owned, single, whole};
use crate::AdamWStep;
use burn::backend::Cube;
use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

type Updated = (Tensor<1>, [Tensor<1>; 2]);

/// Weight and moments of weight, gradient and moments; all back where kernels can't read them.
pub(crate) fn adamw(step: &AdamWStep, inputs: [Tensor<1>; 4]) -> Result<Updated, [Tensor<1>; 4]> {
    let here = |x: &Tensor<1>| x.clone().try_into_primitive::<Cube>().is_ok();
    let fits = |x: &Tensor<1>| single(x) && x.dims()[0] > 0 && here(x);
    if !inputs.iter().all(fits) {
        return Err(inputs);
    }
    let update = Update::new(step);
    let tensors = inputs.map(|x| x.try_into_primitive::<Cube>().ok()).into_iter().flatten();
    let found = fixed(Cube::launch(update, tensors.collect()));
    let [weight, mean, square] = found.map(Tensor::from_primitive::<Cube>);
    Ok((weight, [mean, square]))
}

#[derive(Debug, Clone)]
struct Update {
    betas: [f32; 2],
    /// `1 - beta`, which isn't to lose digits.
    fresh: [f32; 2],
    eps: f32,
    /// Rate over the mean's correction.
    rate: f32,
    /// One over the root of the mean square's correction.
    root: f32,
    /// What is left of the weight.
    kept: f32,
    grad_scale: f32,
}

impl Update {
    fn new(step: &AdamWStep) -> Self {
        let [first, second] = step.corrections();
        Self {
            betas: [step.beta1, step.beta2].map(|beta| beta as f32),
            fresh: [step.beta1, step.beta2].map(|beta| (1.0 - beta) as f32),
            eps: step.eps as f32,
            rate: (step.rate / first) as f32,
            root: second.sqrt().recip() as f32,
            kept: (1.0 - step.decay) as f32,
            grad_scale: step.grad_scale as f32,
        }
    }
}

impl Kernel for Update {
    const NAME: &'static str = "refire::adamw";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        let [weight, _, mean, square] = fixed(inputs.to_vec());
        vec![weight, mean, square]
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let [weight, grad, mean, square] = whole(inputs);
        let [weight, mean, square] = [weight, mean, square].map(owned);
        let (count, dim, total) = each(&grad);
        update::launch(
            &grad.client,
            count,
            dim,
            weight.arg(),
            grad.arg(),
            mean.arg(),
            square.arg(),
            total,
            self.betas[0],
            self.betas[1],
            self.fresh[0],
            self.fresh[1],
            self.eps,
            self.rate,
            self.root,
            self.kept,
            self.grad_scale,
        );
        vec![weight, mean, square]
    }
}

#[cube(launch)]
fn update(
    weight: &mut [f32],
    grad: &[f32],
    mean: &mut [f32],
    square: &mut [f32],
    total: u32,
    beta1: f32,
    beta2: f32,
    fresh1: f32,
    fresh2: f32,
    eps: f32,
    rate: f32,
    root: f32,
    kept: f32,
    grad_scale: f32,
) {
    let at = ABSOLUTE_POS;
    if at < total as usize {
        let g = grad[at] * grad_scale;
        let first = mean[at] * beta1 + g * fresh1;
        let second = square[at] * beta2 + g * g * fresh2;
        mean[at] = first;
        square[at] = second;
        weight[at] = weight[at] * kept - rate * first / (second.sqrt() * root + eps);
    }
}
