//! How a kernel is run by burn's backend on CubeCL, with burn's fusion around it or without: which
//! of the two it is, is said by features of other crates.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use burn_fusion::custom::{
    CustomOpIr, HandleContainer, Operation, OperationIr, StreamId, TensorIr,
};
use burn_fusion::{ExecutionError, Fusion, FusionBackend, FusionRuntime};
use std::fmt::Debug;
use std::marker::PhantomData;

/// Shape and format of a tensor.
pub(super) type Kind = (Shape, DType);

/// One or more launches on the device that make tensors of tensors.
pub(super) trait Kernel: Clone + Debug + Send + Sync + 'static {
    const NAME: &'static str;

    /// What [`run`](Self::run) will return.
    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind>;

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor>;
}

/// A backend that runs kernels, now or later. Numbers of all kinds are the same tensors to it.
pub(super) trait Launch: Backend {
    fn launch<K: Kernel>(kernel: K, inputs: Vec<FloatTensor<Self>>) -> Vec<FloatTensor<Self>>;
}

impl Launch for CubeBackend {
    fn launch<K: Kernel>(kernel: K, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        kernel.run(inputs)
    }
}

impl<B: FusionBackend<FloatTensorPrimitive = CubeTensor>> Launch for Fusion<B> {
    fn launch<K: Kernel>(kernel: K, inputs: Vec<FloatTensor<Self>>) -> Vec<FloatTensor<Self>> {
        let Some(client) = inputs.first().map(|input| input.client.clone()) else {
            return Vec::new();
        };
        let inputs: Vec<TensorIr> = inputs.into_iter().map(|input| input.into_ir()).collect();
        let kinds: Vec<Kind> = inputs.iter().map(|ir| (ir.shape.clone(), ir.dtype)).collect();
        let outputs = kernel.outputs(&kinds).into_iter();
        let outputs: Vec<TensorIr> = outputs
            .map(|(shape, dtype)| TensorIr::uninit(client.create_empty_handle(), shape, dtype))
            .collect();
        let ir = CustomOpIr::new(K::NAME, &inputs, &outputs);
        let later = Later::<K, B> { kernel, ir: ir.clone(), backend: PhantomData };
        client.register(StreamId::current(), OperationIr::Custom(ir), later)
    }
}

/// As many tensors as a kernel's inputs or outputs.
///
/// # Panics
/// When there are others, which is a defect of ours.
pub(super) fn fixed<T, const N: usize>(found: Vec<T>) -> [T; N] {
    let count = found.len();
    found.try_into().unwrap_or_else(|_| unreachable!("{count} tensors instead of {N}"))
}

#[derive(Debug)]
struct Later<K, B> {
    kernel: K,
    ir: CustomOpIr,
    backend: PhantomData<B>,
}

impl<K, B> Operation<B::FusionRuntime> for Later<K, B>
where
    K: Kernel,
    B: FusionBackend<FloatTensorPrimitive = CubeTensor>,
{
    fn execute(
        &self,
        handles: &mut HandleContainer<<B::FusionRuntime as FusionRuntime>::FusionHandle>,
    ) -> Result<(), ExecutionError> {
        let inputs = self.ir.inputs.iter();
        let inputs = inputs.map(|input| handles.get_float_tensor::<B>(input)).collect();
        for (output, found) in self.ir.outputs.iter().zip(self.kernel.run(inputs)) {
            handles.register_float_tensor::<B>(&output.id, found);
        }
        Ok(())
    }
}
