use super::PART;
use super::op::whole;
use crate::AdamWStep;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;

type Updated = (Tensor<1>, [Tensor<1>; 2]);

/// Weight, gradient, mean and mean square to weight and moments; all back where a kernel can't
/// read them.
pub(crate) fn adamw(step: &AdamWStep, tensors: [Tensor<1>; 4]) -> Result<Updated, [Tensor<1>; 4]> {
    if !tensors.iter().all(|tensor| tensor.dims() == tensors[0].dims()) {
        return Err(tensors);
    }
    let [Some(mut weight), Some(grad), Some(mut mean), Some(mut square)] =
        tensors.each_ref().map(whole)
    else {
        return Err(tensors);
    };
    drop(tensors);
    update(step, &mut weight, &grad, &mut mean, &mut square);
    let tensor = Tensor::from_primitive::<Flex>;
    Ok((tensor(weight), [tensor(mean), tensor(square)]))
}

fn update(
    step: &AdamWStep,
    weight: &mut FlexTensor,
    grad: &FlexTensor,
    mean: &mut FlexTensor,
    square: &mut FlexTensor,
) {
    let factors = Factors::new(step);
    let weights = weight.storage_mut::<f32>().par_chunks_mut(PART);
    let means = mean.storage_mut::<f32>().par_chunks_mut(PART);
    let squares = square.storage_mut::<f32>().par_chunks_mut(PART);
    let grads = grad.storage::<f32>().par_chunks(PART);
    weights.zip(means).zip(squares).zip(grads).for_each(|(((weights, means), squares), grads)| {
        Arch::new().dispatch(|| factors.update(weights, means, squares, grads));
    });
}

/// An update's numbers in 32 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors {
    beta1: f32,
    beta2: f32,
    /// `1 - beta`.
    rest1: f32,
    rest2: f32,
    eps: f32,
    scale: f32,
    kept: f32,
    rate: f32,
    root: f32,
}

impl Factors {
    pub(super) fn new(step: &AdamWStep) -> Self {
        let [first, second] = step.corrections();
        Self {
            beta1: step.beta1 as f32,
            beta2: step.beta2 as f32,
            rest1: (1.0 - step.beta1) as f32,
            rest2: (1.0 - step.beta2) as f32,
            eps: step.eps as f32,
            scale: step.grad_scale as f32,
            kept: (1.0 - step.decay) as f32,
            rate: (step.rate / first) as f32,
            root: second.sqrt().recip() as f32,
        }
    }

    #[inline(always)]
    pub(super) fn update(
        &self,
        weights: &mut [f32],
        means: &mut [f32],
        squares: &mut [f32],
        grads: &[f32],
    ) {
        let moments = means.iter_mut().zip(squares);
        for ((w, (m, v)), g) in weights.iter_mut().zip(moments).zip(grads) {
            let g = g * self.scale;
            *m = *m * self.beta1 + g * self.rest1;
            *v = *v * self.beta2 + g * g * self.rest2;
            *w = *w * self.kept - *m / (v.sqrt() * self.root + self.eps) * self.rate;
        }
    }
}
