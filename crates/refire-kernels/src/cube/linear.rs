//! Products, which are burn's, with gradients that lie as what they are of.

use super::memory::readable;
use crate::op::{Op, Operand, apply};
use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

/// `x W^T`; both back where kernels can't read them.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>) -> Result<Tensor<2>, (Tensor<2>, Tensor<2>)> {
    let ([n, width], [out, rows]) = (x.dims(), weight.dims());
    let fits = width == rows && n * width * out > 0 && x.dtype() == weight.dtype();
    if !fits || !readable(&x) || !readable(&weight) {
        return Err((x, weight));
    }
    match (Operand::<Cube>::new(x.clone()), Operand::<Cube>::new(weight.clone())) {
        (Some(a), Some(b)) => Ok(apply(Linear, [a, b])),
        _ => Err((x, weight)),
    }
}

#[derive(Debug, Clone)]
struct Linear;

/// Without a copy.
fn transposed(tensor: FloatTensor<Cube>) -> FloatTensor<Cube> {
    Cube::float_swap_dims(tensor, 0, 1)
}

impl Op<Cube, 2> for Linear {
    type Saved = [FloatTensor<Cube>; 2];

    fn forward(&self, [x, weight]: Self::Saved) -> (FloatTensor<Cube>, Self::Saved) {
        let y = Cube::float_matmul(x.clone(), transposed(weight.clone()));
        (y, [x, weight])
    }

    fn backward(
        self,
        [x, weight]: Self::Saved,
        grad: FloatTensor<Cube>,
        [wants_x, wants_weight]: [bool; 2],
    ) -> [Option<FloatTensor<Cube>>; 2] {
        let of_x = wants_x.then(|| Cube::float_matmul(grad.clone(), weight));
        let of_weight = wants_weight.then(|| Cube::float_matmul(transposed(grad), x));
        [of_x, of_weight]
    }
}
