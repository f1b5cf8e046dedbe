use super::op::{Op, Operand, apply, readable};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;

/// `x W^T`; both back where a kernel can't read them.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>) -> Result<Tensor<2>, (Tensor<2>, Tensor<2>)> {
    if !(readable(&x) && readable(&weight) && x.dims()[1] == weight.dims()[1]) {
        return Err((x, weight));
    }
    match (Operand::new(x.clone()), Operand::new(weight.clone())) {
        (Some(a), Some(b)) => Ok(apply(Linear, [a, b])),
        _ => Err((x, weight)),
    }
}

#[derive(Debug, Clone)]
struct Linear;

/// Without a copy.
pub(super) fn transposed(tensor: FlexTensor) -> FlexTensor {
    Flex::float_swap_dims(tensor, 0, 1)
}

impl Op<Flex, 2> for Linear {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let y = Flex::float_matmul(x.clone(), transposed(weight.clone()));
        (y, [x, weight])
    }

    fn backward(
        self,
        [x, weight]: [FlexTensor; 2],
        grad: FlexTensor,
        [wants_x, wants_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let of_x = wants_x.then(|| Flex::float_matmul(grad.clone(), weight));
        let of_weight = wants_weight.then(|| Flex::float_matmul(transposed(grad), x));
        [of_x, of_weight]
    }
}
