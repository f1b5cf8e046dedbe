use super::op::{Op, Operand, apply, contiguous, readable};
use crate::Turns;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;

/// Tokens that one thread works on at a time.
const TOKENS: usize = 32;

/// Rotary positions; the input back where a kernel can't read it.
pub(crate) fn rope(x: Tensor<3>, turns: &Turns) -> Result<Tensor<3>, Tensor<3>> {
    let [n, heads, d] = x.dims();
    let [tokens, pairs] = turns.cos.dims();
    let fits = n == tokens && 2 * pairs <= d && pairs > 0 && readable(&x);
    let table = |table: &Tensor<2>| {
        let fits = fits && readable(table);
        fits.then(|| table.clone().try_into_primitive::<Flex>().ok()).flatten().map(contiguous)
    };
    let (Some(cos), Some(sin)) = (table(&turns.cos), table(&turns.sin)) else { return Err(x) };
    let rotate = Rotate { cos, sin, pairs, heads, d };
    // A clone would keep the kernel from working in place.
    match Operand::new(x.clone()) {
        Some(operand) => {
            drop(x);
            Ok(apply(rotate, [operand]))
        }
        None => Err(x),
    }
}

#[derive(Debug, Clone)]
struct Rotate {
    cos: FlexTensor,
    sin: FlexTensor,
    pairs: usize,
    heads: usize,
    d: usize,
}

impl Op<Flex, 1> for Rotate {
    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (self.turned(x, 1.0), ())
    }

    /// The other way round.
    fn backward(self, (): (), grad: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(self.turned(grad, -1.0))]
    }
}

impl Rotate {
    /// In place where nobody else holds the tensor.
    fn turned(&self, mut x: FlexTensor, direction: f32) -> FlexTensor {
        let (pairs, d) = (self.pairs, self.d);
        let width = self.heads * d;
        let tables = self.cos.storage::<f32>().par_chunks(TOKENS * pairs);
        let tables = tables.zip(self.sin.storage::<f32>().par_chunks(TOKENS * pairs));
        let tokens = x.storage_mut::<f32>().par_chunks_mut((TOKENS * width).max(1));
        tokens.zip(tables).for_each(|(x, (cos, sin))| {
            Arch::new().dispatch(|| {
                let tables = cos.chunks_exact(pairs).zip(sin.chunks_exact(pairs));
                for (token, (cos, sin)) in x.chunks_exact_mut(width).zip(tables) {
                    for head in token.chunks_exact_mut(d) {
                        turn(head, cos, sin, direction);
                    }
                }
            });
        });
        x
    }
}

#[inline(always)]
fn turn(head: &mut [f32], cos: &[f32], sin: &[f32], direction: f32) {
    let (low, high) = head.split_at_mut(cos.len());
    for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        let sin = sin * direction;
        (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
    }
}
