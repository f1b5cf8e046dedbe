//! The beginning of a backward pass.

use super::memory::readable;
use crate::op::{Op, Operand, apply};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{Shape, Tensor, TensorData};

/// A number with this gradient; both back where kernels can't read them.
pub(crate) fn seed(y: Tensor<2>, grad: Tensor<2>) -> Result<Tensor<1>, (Tensor<2>, Tensor<2>)> {
    let fits = y.dims() == grad.dims() && y.dtype() == grad.dtype() && readable(&y);
    if !fits || y.dims().contains(&0) {
        return Err((y, grad));
    }
    match (Operand::<Cube>::new(y.clone()), grad.clone().try_into_primitive::<Cube>()) {
        (Some(operand), Ok(primitive)) => Ok(apply(Seed(primitive), [operand])),
        _ => Err((y, grad)),
    }
}

#[derive(Debug, Clone)]
struct Seed(FloatTensor<Cube>);

impl Op<Cube, 1> for Seed {
    type Saved = ();

    fn forward(&self, [y]: [FloatTensor<Cube>; 1]) -> (FloatTensor<Cube>, ()) {
        let zero = TensorData::new(vec![0.0_f32], [1]).convert_dtype(y.dtype());
        (Cube::float_from_data(zero, &y.device()), ())
    }

    fn backward(
        self,
        (): (),
        grad: FloatTensor<Cube>,
        _: [bool; 1],
    ) -> [Option<FloatTensor<Cube>>; 1] {
        // It may have been multiplied since.
        let factor = Cube::float_reshape(grad, Shape::new([1, 1]));
        [Some(Cube::float_mul(self.0, factor))]
    }
}
