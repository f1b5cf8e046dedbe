//! DoRA's norms.

use burn::tensor::Tensor;

/// Rows of a weight that are squared at a time.
const ROWS: usize = 256;

/// `sum_i W_oi^2`, `[out]`.
pub(super) fn squares(weight: &Tensor<2>) -> Tensor<1> {
    let rows = weight.dims()[0];
    let parts = (0..rows).step_by(ROWS).map(|start| {
        let part = weight.clone().narrow(0, start, ROWS.min(rows - start));
        (part.clone() * part).sum_dim(1).flatten(0, 1)
    });
    Tensor::cat(parts.collect(), 0)
}

/// `|W + s B A|` row by row, `[out]`, without forming the sum:
///
/// ```text
/// |W_o + s B_o A|^2 = |W_o|^2 + 2 s B_o . (A W_o) + s^2 B_o (A A^T) B_o^T
/// ```
///
/// Nothing here is tracked.
pub(super) fn norms(
    weight: Tensor<2>,
    known: Option<Tensor<1>>,
    a: Tensor<2>,
    b: Tensor<2>,
    scale: f64,
) -> Tensor<1> {
    let base = known.unwrap_or_else(|| squares(&weight));
    let crossed = weight.matmul(a.clone().transpose());
    let spread = b.clone().matmul(a.clone().matmul(a.transpose()));
    let rest = b * (crossed * (2.0 * scale) + spread * (scale * scale));
    (base + rest.sum_dim(1).flatten(0, 1)).clamp_min(0.0).sqrt()
}
