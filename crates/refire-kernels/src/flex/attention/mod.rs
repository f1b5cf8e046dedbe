//! Attention in blocks, forward and backward.

mod backward;
mod forward;
mod problem;

use super::op::{Op, Operand, apply, readable, tensor};
use crate::{AttentionOptions, Layout};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use problem::Problem;
use std::sync::Arc;

type Inputs = (Tensor<3>, Tensor<3>, Tensor<3>);

/// Attention over tensors that fit one another; all three back where a kernel can't read them.
pub(crate) fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    layout: &Arc<Layout>,
    options: &AttentionOptions,
) -> Result<Tensor<3>, Inputs> {
    let ([n, heads, d], [_, kv, _]) = (q.dims(), k.dims());
    if n * heads * d == 0 || ![&q, &k, &v].into_iter().all(readable) {
        return Err((q, k, v));
    }
    let op = Attention { layout: layout.clone(), options: *options, heads, kv, d };
    match [&q, &k, &v].map(|x| Operand::new(x.clone())) {
        [Some(q), Some(k), Some(v)] => Ok(apply(op, [q, k, v])),
        _ => Err((q, k, v)),
    }
}

#[derive(Debug, Clone)]
struct Attention {
    layout: Arc<Layout>,
    options: AttentionOptions,
    heads: usize,
    kv: usize,
    d: usize,
}

/// What the backward pass reads.
#[derive(Debug, Clone)]
struct Saved {
    inputs: [FlexTensor; 3],
    result: FlexTensor,
    /// Logarithm of each query's sum of exponentials, `[n, heads]`.
    log_sums: Arc<Vec<f32>>,
}

impl Op<Flex, 3> for Attention {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let (result, log_sums) = self.problem(&inputs).forward();
        let result = tensor(result, [self.layout.tokens(), self.heads, self.d]);
        let saved = Saved { inputs, result: result.clone(), log_sums: Arc::new(log_sums) };
        (result, saved)
    }

    fn backward(self, saved: Saved, grad: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let n = self.layout.tokens();
        let problem = self.problem(&saved.inputs);
        let result = saved.result.storage::<f32>();
        let [q, k, v] = problem.backward(result, &saved.log_sums, grad.storage::<f32>());
        [
            Some(tensor(q, [n, self.heads, self.d])),
            Some(tensor(k, [n, self.kv, self.d])),
            Some(tensor(v, [n, self.kv, self.d])),
        ]
    }
}

impl Attention {
    fn problem<'a>(&'a self, inputs: &'a [FlexTensor; 3]) -> Problem<'a> {
        let [q, k, v] = inputs.each_ref().map(|input| input.storage::<f32>());
        Problem::new(&self.layout, &self.options, [self.heads, self.kv, self.d], [q, k, v])
    }
}
