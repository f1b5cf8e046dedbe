use super::PART;
use super::adamw::Factors;
use super::number::{BLOCK, Number};
use super::op::memory;
use crate::{AdamWMaster, AdamWStep};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor};
use half::{bf16, f16};
use pulp::Arch;
use rayon::prelude::*;

type Inputs = (Tensor<1>, Tensor<1>, AdamWMaster);

/// Weight, gradient and master to weight and master; all back where a kernel can't read them.
pub(crate) fn adamw_master(
    step: &AdamWStep,
    weight: Tensor<1>,
    grad: Tensor<1>,
    master: AdamWMaster,
) -> Result<(Tensor<1>, AdamWMaster), Inputs> {
    let kept = [&master.weight, &master.mean, &master.square];
    let same = |tensor: &Tensor<1>| tensor.dims() == weight.dims();
    let fits = kept.iter().all(|tensor| same(tensor) && tensor.dtype() == DType::F32);
    let run: Option<Update> = match (weight.dtype(), grad.dtype()) {
        (DType::BF16, DType::BF16) => Some(update::<bf16, bf16>),
        (DType::BF16, DType::F32) => Some(update::<bf16, f32>),
        (DType::F16, DType::F16) => Some(update::<f16, f16>),
        (DType::F16, DType::F32) => Some(update::<f16, f32>),
        _ => None,
    };
    let Some(run) = run.filter(|_| fits && same(&grad)) else { return Err((weight, grad, master)) };
    let tensors = [&weight, &grad, &master.weight, &master.mean, &master.square];
    let [Some(mut rounded), Some(of), Some(mut exact), Some(mut mean), Some(mut square)] =
        tensors.map(memory)
    else {
        return Err((weight, grad, master));
    };
    // What is still held here would keep the kernel from working in place.
    drop((weight, grad, master));
    run(&Factors::new(step), &mut rounded, &of, [&mut exact, &mut mean, &mut square]);
    let tensor = Tensor::from_primitive::<Flex>;
    let master = AdamWMaster { weight: tensor(exact), mean: tensor(mean), square: tensor(square) };
    Ok((tensor(rounded), master))
}

type Update = fn(&Factors, &mut FlexTensor, &FlexTensor, [&mut FlexTensor; 3]);

fn update<W: Number, G: Number>(
    factors: &Factors,
    weight: &mut FlexTensor,
    grad: &FlexTensor,
    [exact, mean, square]: [&mut FlexTensor; 3],
) {
    let weights = W::write(weight).par_chunks_mut(PART).zip(G::read(grad).par_chunks(PART));
    let masters = exact.storage_mut::<f32>().par_chunks_mut(PART);
    let means = mean.storage_mut::<f32>().par_chunks_mut(PART);
    let squares = square.storage_mut::<f32>().par_chunks_mut(PART);
    let parts = weights.zip(masters).zip(means.zip(squares));
    parts.for_each(|(((weights, grads), masters), (means, squares))| {
        Arch::new().dispatch(|| {
            let mut wide = [0.0; BLOCK];
            let halves = weights.chunks_mut(BLOCK).zip(grads.chunks(BLOCK));
            let moments = means.chunks_mut(BLOCK).zip(squares.chunks_mut(BLOCK));
            let blocks = halves.zip(masters.chunks_mut(BLOCK)).zip(moments);
            for (((weights, grads), masters), (means, squares)) in blocks {
                let wide = &mut wide[..grads.len()];
                G::widen(grads, wide);
                factors.update(masters, means, squares, wide);
                W::narrow(masters, weights);
            }
        });
    });
}
