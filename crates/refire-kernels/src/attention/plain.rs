use super::rows::Rows;
use super::{AttentionOptions, Layout};
use burn::tensor::Tensor;

/// Composed of burn's operations: every run with tokens becomes a row of queries, padded to the
/// longest, and a row of all keys that it sees.
pub(super) fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    layout: &Layout,
    options: &AttentionOptions,
) -> Tensor<3> {
    let [n, heads, _] = q.dims();
    if n == 0 || heads == 0 {
        return q;
    }
    let (rows, device) = (Rows::of(layout), q.device());
    let mask = rows.put_mask(options.reach(), &device, q.dtype());
    rows.put(&device).attend(q, k, v, mask, options)
}
