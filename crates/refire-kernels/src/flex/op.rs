//! How a kernel becomes an operation that autodiff knows.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorData};
use std::fmt::Debug;

/// A differentiable operation on whole, contiguous 32-bit tensors.
pub(crate) trait Op<const N: usize>: Clone + Debug + Send + 'static {
    /// What the backward pass reads.
    type Saved: Clone + Debug + Send + 'static;

    /// The result, and what the backward pass reads.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved);

    /// The result where nobody asks for a gradient.
    fn infer(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        self.forward(inputs).0
    }

    /// Gradients of the inputs that are wanted.
    fn backward(
        self,
        saved: Self::Saved,
        grad: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

type Tracked = FloatTensor<Autodiff<Flex>>;

/// A tensor as kernels see it.
pub(crate) enum Operand {
    Constant(FlexTensor),
    Tracked(Tracked),
}

/// Whether kernels can read this tensor: 32-bit floats on this backend, with burn's default
/// autodiff or none.
pub(crate) fn readable<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32
        && (tensor.clone().try_into_primitive::<Flex>().is_ok()
            || tensor.clone().try_into_primitive::<Autodiff<Flex>>().is_ok())
}

impl Operand {
    /// `None` for a tensor that isn't [`readable`].
    pub(crate) fn new<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        // Consumed last: a clone that is still alive keeps kernels from working in place.
        if tensor.clone().try_into_primitive::<Flex>().is_ok() {
            return tensor.try_into_primitive::<Flex>().ok().map(Self::Constant);
        }
        tensor.try_into_primitive::<Autodiff<Flex>>().ok().map(Self::Tracked)
    }

    fn tracked(self) -> Tracked {
        match self {
            Self::Constant(tensor) => Tracked::new(tensor),
            Self::Tracked(tensor) => tensor,
        }
    }
}

/// Runs an operation. The result is tracked if an input is.
pub(crate) fn apply<const N: usize, const D: usize, O: Op<N>>(
    op: O,
    inputs: [Operand; N],
) -> Tensor<D> {
    if inputs.iter().all(|input| matches!(input, Operand::Constant(_))) {
        let inputs = inputs.map(|input| match input {
            Operand::Constant(tensor) => contiguous(tensor),
            Operand::Tracked(tensor) => contiguous(tensor.into_primitive()),
        });
        return Tensor::from_primitive::<Flex>(op.infer(inputs));
    }
    let inputs = inputs.map(Operand::tracked);
    let guards = inputs.each_ref().map(|input| input.node());
    let tensors = inputs.map(|input| contiguous(input.into_primitive()));
    let y = match (Step { op: op.clone() })
        .prepare::<NoCheckpointing>(guards)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let (y, saved) = op.forward(tensors);
            prepared.finish(saved, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(op.infer(tensors)),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(y)
}

#[derive(Debug)]
struct Step<O> {
    op: O,
}

impl<const N: usize, O: Op<N>> Backward<Flex, N> for Step<O> {
    type State = O::Saved;

    fn backward(self, ops: Ops<O::Saved, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.op.backward(ops.state, grad, wanted);
        for (parent, grad) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(grad)) = (parent, grad) {
                grads.register::<Flex>(parent.id, grad);
            }
        }
    }
}

/// An untracked tensor's memory, whatever its numbers; `None` for a tensor of another backend.
///
/// A kernel works in place once the tensor itself is dropped.
pub(crate) fn memory<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    tensor.clone().try_into_primitive::<Flex>().ok().map(contiguous)
}

/// The same, of 32-bit floats.
pub(crate) fn whole<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    if tensor.dtype() == DType::F32 { memory(tensor) } else { None }
}

/// The tensor with its numbers one after another from the start of its memory, and no others.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let layout = tensor.layout();
    let whole = layout.is_contiguous()
        && layout.start_offset() == 0
        && tensor.bytes().len() == layout.num_elements() * tensor.dtype().size();
    if whole { tensor } else { tensor.to_contiguous() }
}

/// A tensor of these numbers.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A tensor of the shape of another.
pub(crate) fn like(values: Vec<f32>, other: &FlexTensor) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, other.layout().shape().clone()))
}
