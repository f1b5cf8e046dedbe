use super::masters::format;
use crate::ModelError;
use crate::decoder::{VisitParam, visit_params};
use crate::nn::is_expert;
use crate::weights::host_values;
use burn::module::Module;
use burn::tensor::{DType, Gradients, Tensor};
use refire_kernels::square_sum;
use std::collections::BTreeMap;

/// Accumulated gradients by parameter path, flattened. Where several in half precision are added,
/// their sum is in 32 bits.
#[derive(Debug, Default)]
pub(crate) struct GradientSum(BTreeMap<String, Tensor<1>>);

impl GradientSum {
    /// Adds what a backward pass left for the parameters of a module at this path.
    pub(crate) fn add_all<M: Module>(&mut self, path: &str, module: &M, grads: &Gradients) {
        visit_params(module, &mut Collect { sum: self, at: path, grads });
    }

    /// Adds rows to the gradient of a matrix `[count, width]`.
    pub(crate) fn add_rows(
        &mut self,
        path: &str,
        [count, width]: [usize; 2],
        at: &[u32],
        rows: Tensor<2>,
    ) {
        let dtype = format(rows.dtype());
        let sum = match self.0.remove(path) {
            Some(sum) => sum.cast(dtype).reshape([count, width]),
            None => Tensor::zeros([count, width], (&rows.device(), dtype)),
        };
        let sum = refire_kernels::add_rows(sum, at, rows.cast(dtype)).reshape([count * width]);
        self.0.insert(path.to_owned(), sum);
    }

    /// Adds to one parameter's gradient.
    pub(crate) fn add(&mut self, path: &str, grad: Tensor<1>) {
        let sum = match self.0.remove(path) {
            Some(sum) => {
                let dtype = format(grad.dtype());
                sum.cast(dtype) + grad.cast(dtype)
            }
            None => grad,
        };
        self.0.insert(path.to_owned(), sum);
    }

    /// Adds all of another sum.
    pub(crate) fn add_sum(&mut self, other: Self) {
        for (path, grad) in other.0 {
            self.add(&path, grad);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Option<Tensor<1>> {
        self.0.get(path).cloned()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// L2 norm of each parameter's gradient, in one read from the device.
    pub(crate) fn norms(&self) -> Result<BTreeMap<String, f64>, ModelError> {
        if self.0.is_empty() {
            return Ok(BTreeMap::new());
        }
        let squares = self.0.values().map(|grad| square_sum(grad).cast(DType::F32));
        let squares = host_values("the gradient norms", Tensor::cat(squares.collect(), 0))?;
        let norms = squares.into_iter().map(|square| f64::from(square).sqrt());
        Ok(self.0.keys().cloned().zip(norms).collect())
    }
}

struct Collect<'a> {
    sum: &'a mut GradientSum,
    at: &'a str,
    grads: &'a Gradients,
}

impl VisitParam for Collect<'_> {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        let path = &format!("{}.{path}", self.at);
        let count = tensor.dims().iter().product::<usize>();
        match tensor.grad(self.grads) {
            Some(grad) => self.sum.add(path, grad.reshape([count])),
            // No token was sent to this expert: the optimiser goes on with a gradient of 0, as it
            // does in transformers, where all experts are one tensor.
            None if is_expert(path) && tensor.is_require_grad() => {
                let like = tensor.inner();
                self.sum.add(path, Tensor::zeros([count], (&like.device(), like.dtype())));
            }
            None => {}
        }
    }
}
