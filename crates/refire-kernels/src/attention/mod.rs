//! Causal attention over packed rows.

mod cached;
mod layout;
#[cfg(feature = "cube")]
mod placed;
mod plain;
mod rows;

pub use cached::{Recall, recall};
#[cfg_attr(not(any(feature = "flex", feature = "cube")), allow(unused_imports))]
pub(crate) use layout::{BLOCK, Block};
pub use layout::{Layout, Run};

use crate::KernelError;
use burn::tensor::Tensor;
use std::sync::Arc;

/// How scores become weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionOptions {
    /// Factor of the scores.
    pub scale: f64,
    /// A token sees this many positions back, its own included; all of them if there is no window.
    pub window: Option<usize>,
    /// Scores `s` become `cap tanh(s / cap)`.
    pub softcap: Option<f64>,
}

impl AttentionOptions {
    /// How many positions back a token sees, at least its own.
    pub(crate) fn reach(&self) -> usize {
        self.window.unwrap_or(usize::MAX).max(1)
    }
}

/// Causal grouped-query attention over packed tokens, with shared prefixes: `q` `[n, heads, d]`,
/// `k` and `v` `[n, kv_heads, d]` to `[n, heads, d]`. Query head `h` reads key head
/// `h / (heads / kv_heads)`.
///
/// ```text
/// s_ij = cap(scale q_i k_j)      p_ij = softmax over the j that i sees      o_i = sum_j p_ij v_j
/// ```
///
/// The layout says who sees whom. Kernels, on the CPU and on GPUs, work in blocks with a running
/// maximum and sum (FlashAttention, Dao et al., arXiv 2205.14135) and keep their inputs, the result
/// and one number for each query: memory grows linearly with tokens. The composition of burn's
/// operations pads rows to the longest one.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_kernels::{AttentionOptions, Layout, attention};
/// use std::sync::Arc;
/// let device = Device::flex();
/// let layout = Arc::new(Layout::rows([2]));
/// let options = AttentionOptions { scale: 1.0, window: None, softcap: None };
/// let q = Tensor::<3>::zeros([2, 2, 1], &device);
/// let k = Tensor::<3>::zeros([2, 1, 1], &device);
/// let v = Tensor::from_data([[[2.0]], [[4.0]]], &device);
/// let y = attention(q, k, v, &layout, &options)?;
/// // Equal weights: the first token sees itself, the second both.
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [2.0, 2.0, 3.0, 3.0]);
/// # Ok::<(), refire_kernels::KernelError>(())
/// ```
///
/// # Errors
/// When shapes don't fit one another or the layout.
pub fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    layout: &Arc<Layout>,
    options: &AttentionOptions,
) -> Result<Tensor<3>, KernelError> {
    check(&q, &k, &v, layout)?;
    #[cfg(feature = "flex")]
    let (q, k, v) = match crate::flex::attention(q, k, v, layout, options) {
        Ok(y) => return Ok(y),
        Err(inputs) => inputs,
    };
    #[cfg(feature = "cube")]
    let (q, k, v) = match crate::cube::attention(q, k, v, layout, options) {
        Ok(y) => return Ok(y),
        Err(inputs) => inputs,
    };
    Ok(plain::attention(q, k, v, layout, options))
}

/// [`attention`](crate::attention) composed of burn's operations.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_kernels::{AttentionOptions, Layout, plain};
/// let x = Tensor::<3>::ones([2, 1, 1], &Device::flex());
/// let options = AttentionOptions { scale: 1.0, window: None, softcap: None };
/// let y = plain::attention(x.clone(), x.clone(), x, &Layout::rows([2]), &options)?;
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 1.0]);
/// # Ok::<(), refire_kernels::KernelError>(())
/// ```
///
/// # Errors
/// As for [`attention`].
pub fn plain_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    layout: &Layout,
    options: &AttentionOptions,
) -> Result<Tensor<3>, KernelError> {
    check(&q, &k, &v, layout)?;
    Ok(plain::attention(q, k, v, layout, options))
}

fn check(q: &Tensor<3>, k: &Tensor<3>, v: &Tensor<3>, layout: &Layout) -> Result<(), KernelError> {
    let ([n, heads, d], [_, kv, _]) = (q.dims(), k.dims());
    shape("the queries", [n, heads, d], [layout.tokens(), heads, d])?;
    // Where key heads don't divide query heads, as many keys as queries are expected.
    let expected = if kv > 0 && heads % kv == 0 { kv } else { heads };
    shape("the keys", k.dims(), [n, expected, d])?;
    shape("the values", v.dims(), [n, expected, d])
}

fn shape(what: &'static str, found: [usize; 3], expected: [usize; 3]) -> Result<(), KernelError> {
    if found == expected {
        return Ok(());
    }
    Err(KernelError::Shape { what, found: found.to_vec(), expected: expected.to_vec() })
}
