//! Attention in tiles, forward and backward, and attention of new tokens to a store.

mod backward;
mod forward;
mod kernels;
mod map;
mod newest;
mod tile;

use super::launch::{Launch, fixed};
use super::memory::readable;
use crate::op::{Op, Operand, apply};
use crate::{AttentionOptions, Layout};
use burn::backend::Cube;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::Tensor;
use kernels::{Asked, Attend, AttendBackward, Newest};
pub(crate) use map::Map;
use std::sync::Arc;

/// Widest head that kernels hold in registers.
const WIDEST: usize = 256;

type Inputs = (Tensor<3>, Tensor<3>, Tensor<3>);

/// Attention over tensors that fit one another; all three back where kernels can't read them.
pub(crate) fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    layout: &Arc<Layout>,
    options: &AttentionOptions,
) -> Result<Tensor<3>, Inputs> {
    let [n, heads, _] = q.dims();
    if n * heads == 0 || !takes([&q, &k, &v]) {
        return Err((q, k, v));
    }
    let Some(map) = layout.map(&q.device()) else { return Err((q, k, v)) };
    let op = Attention { map: map.tensor, asked: Asked::new(options, map.tiles, map.longest) };
    match [&q, &k, &v].map(|x| Operand::<Cube>::new(x.clone())) {
        [Some(q), Some(k), Some(v)] => Ok(apply(op, [q, k, v])),
        _ => Err((q, k, v)),
    }
}

/// Attention of new tokens to a store; `None` where kernels can't read the tensors.
pub(crate) fn recall(
    q: &Tensor<3>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
    map: &Map,
    options: &AttentionOptions,
) -> Option<Tensor<3>> {
    if !takes([q, keys, values]) {
        return None;
    }
    let read = |x: &Tensor<3>| x.clone().inner().try_into_primitive::<Cube>().ok();
    let (q, k, v) = (read(q)?, read(keys)?, read(values)?);
    let asked = Asked::new(options, map.tiles, map.longest);
    let inputs = vec![q, k, v, map.tensor.clone()];
    let mut found = match map.single {
        true => Cube::launch(Newest(asked), inputs),
        false => Cube::launch(Attend(asked), inputs),
    };
    Some(Tensor::from_primitive::<Cube>(found.swap_remove(0)))
}

/// Heads of whole vectors, all in one format that kernels read.
fn takes(tensors: [&Tensor<3>; 3]) -> bool {
    let [_, _, d] = tensors[0].dims();
    let fits = d > 0 && d.is_multiple_of(tile::LANES) && d <= WIDEST;
    fits && tensors.iter().all(|x| readable(x) && x.dtype() == tensors[0].dtype())
}

#[derive(Debug, Clone)]
struct Attention {
    map: IntTensor<Cube>,
    asked: Asked,
}

/// What the backward pass reads.
#[derive(Debug, Clone)]
struct Saved {
    inputs: [FloatTensor<Cube>; 3],
    result: FloatTensor<Cube>,
    /// Logarithm of each query's sum of exponentials, `[n, heads]`.
    log_sums: FloatTensor<Cube>,
}

impl Op<Cube, 3> for Attention {
    type Saved = Saved;

    fn forward(&self, inputs: [FloatTensor<Cube>; 3]) -> (FloatTensor<Cube>, Saved) {
        let [q, k, v] = inputs.clone();
        let found = Cube::launch(Attend(self.asked), vec![q, k, v, self.map.clone()]);
        let [result, log_sums] = fixed(found);
        let saved = Saved { inputs, result: result.clone(), log_sums };
        (result, saved)
    }

    fn backward(
        self,
        saved: Saved,
        grad: FloatTensor<Cube>,
        _: [bool; 3],
    ) -> [Option<FloatTensor<Cube>>; 3] {
        let [q, k, v] = saved.inputs;
        let inputs = vec![q, k, v, saved.result, saved.log_sums, grad, self.map];
        fixed(Cube::launch(AttendBackward(self.asked), inputs)).map(Some)
    }
}
