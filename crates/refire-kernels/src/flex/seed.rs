use super::op::{Op, Operand, apply, contiguous, readable, tensor};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, Tensor};

/// A number with this gradient; both back where a kernel can't read them.
pub(crate) fn seed(y: Tensor<2>, grad: Tensor<2>) -> Result<Tensor<1>, (Tensor<2>, Tensor<2>)> {
    if !(readable(&y) && grad.dtype() == DType::F32 && y.dims() == grad.dims()) {
        return Err((y, grad));
    }
    match (Operand::new(y.clone()), grad.clone().try_into_primitive::<Flex>()) {
        (Some(operand), Ok(primitive)) => {
            drop((y, grad));
            Ok(apply(Seed(contiguous(primitive)), [operand]))
        }
        _ => Err((y, grad)),
    }
}

#[derive(Debug, Clone)]
struct Seed(FlexTensor);

impl Op<Flex, 1> for Seed {
    type Saved = ();

    fn forward(&self, _: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (tensor(vec![0.0], [1]), ())
    }

    fn backward(self, (): (), grad: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let factor = grad.storage::<f32>().first().copied().unwrap_or(1.0);
        [Some(if factor == 1.0 { self.0 } else { Flex::float_mul_scalar(self.0, factor.into()) })]
    }
}
