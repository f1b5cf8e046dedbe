//! Whether arguments fit one another, for each function that gives NaN where they don't.

use crate::{AdamWMaster, KernelError, LogitStats, Turns};
use burn::tensor::Tensor;

/// Whether two tensors have one shape.
///
/// # Errors
/// When they haven't.
pub fn alike<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> Result<(), KernelError> {
    shape("the second tensor", b.dims(), a.dims())
}

/// The arguments of [`linear`](crate::linear).
///
/// # Errors
/// When the weight isn't as wide as `x`.
pub fn linear(x: &Tensor<2>, weight: &Tensor<2>) -> Result<(), KernelError> {
    shape("the weight", weight.dims(), [weight.dims()[0], x.dims()[1]])
}

/// The arguments of [`rms_norm`](crate::rms_norm).
///
/// # Errors
/// When the weight isn't as wide as `x`.
pub fn rms_norm(x: &Tensor<2>, weight: &Tensor<1>) -> Result<(), KernelError> {
    shape("the weight", weight.dims(), [x.dims()[1]])
}

/// The arguments of [`rope`](crate::rope).
///
/// # Errors
/// When there isn't one row of tables for each token, or a head has fewer numbers than are turned.
pub fn rope(x: &Tensor<3>, turns: &Turns) -> Result<(), KernelError> {
    let ([n, heads, d], [_, pairs]) = (x.dims(), turns.cos.dims());
    shape("the cosines", turns.cos.dims(), [n, pairs])?;
    shape("the sines", turns.sin.dims(), [n, pairs])?;
    shape("the heads", [n, heads, d], [n, heads, d.max(2 * pairs)])
}

/// The arguments of [`LogitRows::new`](crate::LogitRows::new).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let logits = Tensor::<2>::zeros([1, 4], &Device::flex());
/// let error = refire_kernels::check::logit_rows(&logits, &[4], &[1.0]).unwrap_err();
/// assert_eq!(error.to_string(), "the label of row 0 is 4, must be below 4");
/// ```
///
/// # Errors
/// When there isn't one label and one temperature for each row, or a label isn't below the number
/// of logits.
pub fn logit_rows(
    logits: &Tensor<2>,
    labels: &[u32],
    temperature: &[f32],
) -> Result<(), KernelError> {
    let [n, vocab] = logits.dims();
    shape("the labels", [labels.len()], [n])?;
    shape("the temperatures", [temperature.len()], [n])?;
    indices("label", labels, vocab)
}

/// The argument of [`LogitRows::backward`](crate::LogitRows::backward) for so many rows.
///
/// # Errors
/// When a gradient isn't `[rows]`.
pub fn logit_grads(rows: usize, grads: &LogitStats) -> Result<(), KernelError> {
    shape("the gradient of the log-probabilities", grads.logprobs.dims(), [rows])?;
    let others = [
        ("the gradient of the entropies", &grads.entropy),
        ("the gradient of the sums of squares", &grads.sum_sq),
        ("the gradient of the mean log-probabilities", &grads.mean_logprob),
    ];
    let mut given = others.into_iter().filter_map(|(what, grad)| Some((what, grad.as_ref()?)));
    given.try_for_each(|(what, grad)| shape(what, grad.dims(), [rows]))
}

/// The arguments of [`add_rows`](crate::add_rows).
///
/// # Errors
/// When there isn't one index for each row, an index isn't below the number of rows of the sum, or
/// rows aren't as wide as it.
pub fn add_rows(sum: &Tensor<2>, at: &[u32], rows: &Tensor<2>) -> Result<(), KernelError> {
    let [count, width] = sum.dims();
    shape("the rows", rows.dims(), [at.len(), width])?;
    indices("index", at, count)
}

/// The arguments of [`add_weight_grad`](crate::add_weight_grad).
///
/// # Errors
/// When their sides don't fit one another.
pub fn add_weight_grad(sum: &Tensor<2>, dy: &Tensor<2>, x: &Tensor<2>) -> Result<(), KernelError> {
    let ([out, width], [n, _]) = (sum.dims(), dy.dims());
    shape("the gradient of the result", dy.dims(), [n, out])?;
    shape("the input", x.dims(), [n, width])
}

/// The tensors of [`adamw`](crate::adamw).
///
/// # Errors
/// When they aren't all as long as the weight.
pub fn adamw(
    weight: &Tensor<1>,
    grad: &Tensor<1>,
    moments: [&Tensor<1>; 2],
) -> Result<(), KernelError> {
    shape("the gradient", grad.dims(), weight.dims())?;
    shape("the mean", moments[0].dims(), weight.dims())?;
    shape("the mean square", moments[1].dims(), weight.dims())
}

/// The tensors of [`adamw_master`](crate::adamw_master).
///
/// # Errors
/// When they aren't all as long as the weight.
pub fn adamw_master(
    weight: &Tensor<1>,
    grad: &Tensor<1>,
    master: &AdamWMaster,
) -> Result<(), KernelError> {
    shape("the master", master.weight.dims(), weight.dims())?;
    adamw(weight, grad, [&master.mean, &master.square])
}

fn shape<const D: usize>(
    what: &'static str,
    found: [usize; D],
    expected: [usize; D],
) -> Result<(), KernelError> {
    if found == expected {
        return Ok(());
    }
    Err(KernelError::Shape { what, found: found.to_vec(), expected: expected.to_vec() })
}

fn indices(what: &'static str, indices: &[u32], limit: usize) -> Result<(), KernelError> {
    match indices.iter().position(|index| *index as usize >= limit) {
        Some(row) => Err(KernelError::Index { what, row, found: indices[row], limit }),
        None => Ok(()),
    }
}

/// What stands for a result that can't be: NaN everywhere, the gradient of `x` included.
pub(crate) fn nothing<const D: usize, const E: usize>(
    x: Tensor<D>,
    shape: [usize; E],
) -> Tensor<E> {
    if shape.contains(&0) {
        return Tensor::zeros(shape, (&x.device(), x.dtype()));
    }
    (x.sum() * f64::NAN).reshape([1; E]).expand(shape)
}
