//! A matrix in 4 bits where the device's memory is the CPU's: read in place.

use super::{Nf4, pack};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, tensor::FloatTensor};
use burn::tensor::{DType, Tensor, TensorData};

/// Handles on a matrix's memory.
#[derive(Debug, Clone)]
pub(super) struct HostNf4 {
    shape: [usize; 2],
    codes: FlexTensor,
    scales: FlexTensor,
    second: FlexTensor,
    mean: f32,
    blocks: usize,
}

impl HostNf4 {
    /// `None` on another backend.
    pub(super) fn new(packed: &Nf4) -> Option<Self> {
        let readable = |tensor: FlexTensor, dtype| {
            let layout = tensor.layout();
            let whole = layout.is_contiguous() && layout.start_offset() == 0;
            (whole && tensor.dtype() == dtype).then_some(tensor)
        };
        let codes = packed.codes.clone().try_into_primitive::<Flex>().ok()?;
        let scales = packed.scales.clone().try_into_primitive::<Flex>().ok()?;
        let second = packed.second.clone().try_into_primitive::<Flex>().ok()?;
        Some(Self {
            shape: packed.shape,
            codes: readable(codes, DType::I32)?,
            scales: readable(scales, DType::I32)?,
            second: readable(second, DType::F32)?,
            mean: packed.mean,
            blocks: packed.blocks(),
        })
    }

    /// The matrix in 32 bits.
    pub(super) fn whole(&self) -> FlexTensor {
        let (codes, second) = (self.scales.storage(), self.second.storage());
        let scales = pack::scales(codes, second, self.mean, self.blocks);
        let values = pack::unpack(self.codes.storage(), &scales, self.shape.iter().product());
        FlexTensor::from_data(TensorData::new(values, self.shape))
    }
}

type Tracked = FloatTensor<Autodiff<Flex>>;

/// `x W^T` of which autodiff keeps the codes alone; `None` where `x` isn't the CPU backend's, in 32
/// bits, under burn's default autodiff.
pub(super) fn product(x: Tensor<2>, weight: &Nf4) -> Option<Tensor<2>> {
    if x.dtype() != DType::F32 {
        return None;
    }
    let weight = HostNf4::new(weight)?;
    let x: Tracked = x.try_into_primitive::<Autodiff<Flex>>().ok()?;
    let guard = x.node();
    let x = x.into_primitive();
    let y = Flex::float_matmul(x, Flex::float_swap_dims(weight.whole(), 0, 1));
    let y = match Product.prepare::<NoCheckpointing>([guard]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(weight, y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(y))
}

#[derive(Debug)]
struct Product;

impl Backward<Flex, 1> for Product {
    type State = HostNf4;

    fn backward(self, ops: Ops<HostNf4, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let weight = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |grad| {
            Flex::float_matmul(grad, weight.whole())
        });
    }
}
