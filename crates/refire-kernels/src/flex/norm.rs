use super::op::{Op, Operand, apply, like, readable, tensor};
use crate::sums::{dot, sum_of_squares};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;

/// Rows that one thread works on at a time; partial sums of the weight's gradient are made of as
/// many, whatever the number of threads.
const ROWS: usize = 32;

/// RMSNorm; both back where a kernel can't read them.
pub(crate) fn rms_norm(
    x: Tensor<2>,
    weight: Tensor<1>,
    eps: f64,
    offset: bool,
) -> Result<Tensor<2>, (Tensor<2>, Tensor<1>)> {
    let width = weight.dims()[0];
    if !(readable(&x) && readable(&weight) && x.dims()[1] == width && width > 0) {
        return Err((x, weight));
    }
    match (Operand::new(x.clone()), Operand::new(weight.clone())) {
        (Some(a), Some(b)) => {
            let added = if offset { 1.0 } else { 0.0 };
            Ok(apply(Norm { eps: eps as f32, added, width }, [a, b]))
        }
        _ => Err((x, weight)),
    }
}

#[derive(Debug, Clone)]
struct Norm {
    eps: f32,
    /// What is added to the weight to give the factor.
    added: f32,
    width: usize,
}

impl Op<Flex, 2> for Norm {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let (values, factors) = (x.storage::<f32>(), weight.storage::<f32>());
        let mut y = vec![0.0; values.len()];
        let part = ROWS * self.width;
        y.par_chunks_mut(part).zip(values.par_chunks(part)).for_each(|(y, x)| {
            Arch::new().dispatch(|| {
                for (y, x) in y.chunks_exact_mut(self.width).zip(x.chunks_exact(self.width)) {
                    let inverse = self.inverse(x);
                    for ((y, x), w) in y.iter_mut().zip(x).zip(factors) {
                        *y = x * inverse * (w + self.added);
                    }
                }
            });
        });
        (like(y, &x), [x, weight])
    }

    /// ```text
    /// g = dy (w + added)     dx = i (g - x i^2 mean(g x))     dw = sum over rows of dy x i
    /// ```
    fn backward(
        self,
        [x, weight]: [FlexTensor; 2],
        mut grad: FlexTensor,
        _: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let (values, factors) = (x.storage::<f32>(), weight.storage::<f32>());
        let part = ROWS * self.width;
        let parts = grad.storage_mut::<f32>().par_chunks_mut(part).zip(values.par_chunks(part));
        let sums = parts.map(|(grad, x)| {
            let mut sum = vec![0.0; self.width];
            Arch::new().dispatch(|| {
                for (grad, x) in grad.chunks_exact_mut(self.width).zip(x.chunks_exact(self.width)) {
                    self.row(x, grad, factors, &mut sum);
                }
            });
            sum
        });
        let sums: Vec<Vec<f32>> = sums.collect();
        let mut of_weight = vec![0.0; self.width];
        for sum in sums {
            of_weight.iter_mut().zip(&sum).for_each(|(total, part)| *total += part);
        }
        [Some(grad), Some(tensor(of_weight, [self.width]))]
    }
}

impl Norm {
    #[inline(always)]
    fn inverse(&self, x: &[f32]) -> f32 {
        1.0 / (sum_of_squares(x) / self.width as f32 + self.eps).sqrt()
    }

    #[inline(always)]
    fn row(&self, x: &[f32], grad: &mut [f32], factors: &[f32], sum: &mut [f32]) {
        let inverse = self.inverse(x);
        for (((grad, x), w), sum) in grad.iter_mut().zip(x).zip(factors).zip(sum) {
            *sum += *grad * x * inverse;
            *grad *= w + self.added;
        }
        let mean = dot(grad, x) / self.width as f32;
        let back = mean * inverse * inverse;
        for (grad, x) in grad.iter_mut().zip(x) {
            *grad = inverse * (*grad - x * back);
        }
    }
}
