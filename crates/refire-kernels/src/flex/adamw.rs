use super::PART;
use super::op::contiguous;
use crate::AdamWStep;
use crate::simd::sum_of_squares;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor};
use pulp::Arch;
use rayon::prelude::*;

/// An untracked tensor's memory.
fn whole(tensor: Tensor<1>) -> Option<FlexTensor> {
    let tensor = tensor.try_into_primitive::<Flex>().ok()?;
    (tensor.dtype() == DType::F32).then(|| contiguous(tensor))
}

fn readable(tensor: &Tensor<1>) -> bool {
    tensor.dtype() == DType::F32 && tensor.clone().try_into_primitive::<Flex>().is_ok()
}

type Updated = (Tensor<1>, [Tensor<1>; 2]);

/// Weight, gradient, mean and mean square to weight and moments; all back where a kernel can't
/// read them.
pub(crate) fn adamw(step: &AdamWStep, tensors: [Tensor<1>; 4]) -> Result<Updated, [Tensor<1>; 4]> {
    let same = |tensor: &Tensor<1>| tensor.dims() == tensors[0].dims() && readable(tensor);
    if !tensors.iter().all(same) {
        return Err(tensors);
    }
    let [Some(mut weight), Some(grad), Some(mut mean), Some(mut square)] =
        tensors.clone().map(whole)
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
    let [first, second] = step.corrections();
    let (b1, b2, eps) = (step.beta1 as f32, step.beta2 as f32, step.eps as f32);
    let (r1, r2) = ((1.0 - step.beta1) as f32, (1.0 - step.beta2) as f32);
    let (scale, kept) = (step.grad_scale as f32, (1.0 - step.decay) as f32);
    let (rate, root) = ((step.rate / first) as f32, second.sqrt().recip() as f32);
    let weights = weight.storage_mut::<f32>().par_chunks_mut(PART);
    let means = mean.storage_mut::<f32>().par_chunks_mut(PART);
    let squares = square.storage_mut::<f32>().par_chunks_mut(PART);
    let grads = grad.storage::<f32>().par_chunks(PART);
    weights.zip(means).zip(squares).zip(grads).for_each(|(((weights, means), squares), grads)| {
        Arch::new().dispatch(|| {
            let moments = means.iter_mut().zip(squares.iter_mut());
            for ((w, (m, v)), g) in weights.iter_mut().zip(moments).zip(grads) {
                let g = g * scale;
                *m = *m * b1 + g * r1;
                *v = *v * b2 + g * g * r2;
                *w = *w * kept - *m / (v.sqrt() * root + eps) * rate;
            }
        });
    });
}

/// The sum of squares; `None` where a kernel can't read the tensor.
pub(crate) fn square_sum(x: &Tensor<1>) -> Option<Tensor<1>> {
    let x = whole(x.clone())?;
    let parts = x.storage::<f32>().par_chunks(PART);
    let parts = parts.map(|part| f64::from(Arch::new().dispatch(|| sum_of_squares(part))));
    // Parts are the same for any number of threads, and are added in their order.
    let sum: f64 = parts.collect::<Vec<f64>>().iter().sum();
    Some(Tensor::from_primitive::<Flex>(super::op::tensor(vec![sum as f32], [1])))
}
