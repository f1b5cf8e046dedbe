//! How a kernel becomes an operation that autodiff knows.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, DispatchKindConversion, DispatchTensor};
use burn::tensor::Tensor;
use std::fmt::Debug;

/// A backend that has kernels of ours.
pub(crate) trait Backing: Backend {
    /// The tensor as kernels want it.
    fn whole(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A differentiable operation.
pub(crate) trait Op<B: Backing, const N: usize>: Clone + Debug + Send + 'static {
    /// What the backward pass reads.
    type Saved: Clone + Debug + Send + 'static;

    /// The result, and what the backward pass reads.
    fn forward(&self, inputs: [FloatTensor<B>; N]) -> (FloatTensor<B>, Self::Saved);

    /// The result where nobody asks for a gradient.
    fn infer(&self, inputs: [FloatTensor<B>; N]) -> FloatTensor<B> {
        self.forward(inputs).0
    }

    /// Gradients of the inputs that are wanted.
    fn backward(
        self,
        saved: Self::Saved,
        grad: FloatTensor<B>,
        wanted: [bool; N],
    ) -> [Option<FloatTensor<B>>; N];
}

/// A tensor as kernels see it.
pub(crate) enum Operand<B: Backing> {
    Constant(FloatTensor<B>),
    Tracked(FloatTensor<Autodiff<B>>),
}

/// Whether a tensor is this backend's, with burn's default autodiff or none.
pub(crate) fn belongs<B: Backing, const D: usize>(tensor: &Tensor<D>) -> bool
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    tensor.clone().try_into_primitive::<B>().is_ok()
        || tensor.clone().try_into_primitive::<Autodiff<B>>().is_ok()
}

impl<B: Backing> Operand<B>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    /// `None` for a tensor of another backend.
    pub(crate) fn new<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        // Consumed last: a clone that is still alive keeps kernels from working in place.
        if tensor.clone().try_into_primitive::<B>().is_ok() {
            return tensor.try_into_primitive::<B>().ok().map(Self::Constant);
        }
        tensor.try_into_primitive::<Autodiff<B>>().ok().map(Self::Tracked)
    }

    fn tracked(self) -> FloatTensor<Autodiff<B>> {
        match self {
            Self::Constant(tensor) => FloatTensor::<Autodiff<B>>::new(tensor),
            Self::Tracked(tensor) => tensor,
        }
    }
}

/// Runs an operation. The result is tracked if an input is.
pub(crate) fn apply<B: Backing, const N: usize, const D: usize, O: Op<B, N>>(
    op: O,
    inputs: [Operand<B>; N],
) -> Tensor<D>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    if inputs.iter().all(|input| matches!(input, Operand::Constant(_))) {
        let inputs = inputs.map(|input| match input {
            Operand::Constant(tensor) => B::whole(tensor),
            Operand::Tracked(tensor) => B::whole(tensor.into_primitive()),
        });
        return Tensor::from_primitive::<B>(op.infer(inputs));
    }
    let inputs = inputs.map(Operand::tracked);
    let guards = inputs.each_ref().map(|input| input.node());
    let tensors = inputs.map(|input| B::whole(input.into_primitive()));
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
    Tensor::from_primitive::<Autodiff<B>>(y)
}

#[derive(Debug)]
struct Step<O> {
    op: O,
}

impl<B: Backing, const N: usize, O: Op<B, N>> Backward<B, N> for Step<O> {
    type State = O::Saved;

    fn backward(self, ops: Ops<O::Saved, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = B::whole(grads.consume::<B>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.op.backward(ops.state, grad, wanted);
        for (parent, grad) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(grad)) = (parent, grad) {
                grads.register::<B>(parent.id, grad);
            }
        }
    }
}
