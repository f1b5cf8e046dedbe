//! Randomised Hadamard rotations.

use burn::tensor::{Device, Tensor, TensorData};
use refire_core::{Purpose, Stream};

/// Largest block: larger ones cost more and even out little more.
const LARGEST: usize = 512;

/// `R = diag(signs) (I x H)`, `[width, width]`: random signs, then a Hadamard matrix of
/// `block = 2^k` entries, the largest that divides the width, on each block of the columns.
///
/// `H` is Sylvester's, symmetric, divided by `sqrt(block)`, so that `R R^T = I`. Widths that aren't
/// powers of two have several blocks, each evened out by itself; QuaRot and the paper know larger
/// matrices for some of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotation {
    signs: Vec<f32>,
    block: usize,
}

impl Rotation {
    /// The rotation of a width, with the signs of a seed and a name.
    pub(crate) fn new(width: usize, seed: u64, name: &str) -> Self {
        let mut stream = Stream::new(seed, Purpose::named(name), 0, 0, 0);
        let signs = (0..width).map(|_| if stream.bits() & 1 == 0 { 1.0 } else { -1.0 });
        let signs = signs.collect();
        Self { signs, block: (1 << width.trailing_zeros().min(31)).min(LARGEST) }
    }

    /// The same on each of so many parts of a wider row.
    pub(crate) fn repeated(&self, parts: usize) -> Self {
        Self { signs: self.signs.repeat(parts), block: self.block }
    }

    /// Whether it mixes anything: an odd width has signs alone.
    pub(crate) fn mixes(&self) -> bool {
        self.block > 1
    }

    pub(crate) fn width(&self) -> usize {
        self.signs.len()
    }

    /// `x R` for `x` `[n, width]`.
    pub(crate) fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let signs = self.signs(&x);
        self.mix(x * signs)
    }

    /// `x R^T`.
    pub(crate) fn undo(&self, x: Tensor<2>) -> Tensor<2> {
        let signs = self.signs(&x);
        self.mix(x) * signs
    }

    /// One row `x R` on the host, in place.
    pub(crate) fn apply_to_row(&self, row: &mut [f32]) {
        row.iter_mut().zip(&self.signs).for_each(|(x, sign)| *x *= sign);
        let scale = (self.block as f32).sqrt().recip();
        for block in row.chunks_exact_mut(self.block) {
            butterflies(block);
            block.iter_mut().for_each(|x| *x *= scale);
        }
    }

    fn signs(&self, like: &Tensor<2>) -> Tensor<2> {
        let data = TensorData::new(self.signs.clone(), [1, self.width()]);
        Tensor::from_data(data, (&like.device(), like.dtype()))
    }

    fn mix(&self, x: Tensor<2>) -> Tensor<2> {
        let [n, width] = x.dims();
        if !self.mixes() {
            return x;
        }
        let hadamard = hadamard(self.block, &x.device()).cast(x.dtype());
        x.reshape([n * (width / self.block), self.block]).matmul(hadamard).reshape([n, width])
    }
}

/// The product with Sylvester's matrix of signs, in `n log n` additions.
fn butterflies(block: &mut [f32]) {
    let mut half = 1;
    while half < block.len() {
        for pair in block.chunks_exact_mut(2 * half) {
            let (first, second) = pair.split_at_mut(half);
            for (a, b) in first.iter_mut().zip(second) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

/// Sylvester's matrix: the sign of row `i` and column `j` is the parity of `i & j`.
fn hadamard(size: usize, device: &Device) -> Tensor<2> {
    let scale = (size as f32).sqrt().recip();
    let sign =
        |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { scale } else { -scale };
    let values = (0..size).flat_map(|i| (0..size).map(move |j| sign(i, j))).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(values, [size, size]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::normals;

    fn matrix(n: usize, width: usize) -> Tensor<2> {
        let values = normals(1, "x", n * width, 1.0);
        Tensor::from_data(TensorData::new(values, [n, width]), &Device::flex())
    }

    fn gap(a: Tensor<2>, b: Tensor<2>) -> f32 {
        (a - b).abs().max().into_scalar()
    }

    #[test]
    fn a_rotation_keeps_products_and_can_be_undone() {
        for width in [1, 3, 8, 24, 40, 64, 1536] {
            let rotation = Rotation::new(width, 5, "test");
            let (x, w) = (matrix(5, width), matrix(7, width));
            let turned = rotation.apply(x.clone());
            assert!(gap(rotation.undo(turned.clone()), x.clone()) < 1e-5, "{width}");
            let product = turned.clone().matmul(rotation.apply(w.clone()).transpose());
            // Sums of as many products as the rows are wide.
            let near = 1e-6 * (100 + width) as f32;
            assert!(gap(product, x.clone().matmul(w.transpose())) < near, "{width}");
            let mut rows: Vec<f32> = x.into_data().iter::<f32>().collect();
            rows.chunks_exact_mut(width).for_each(|row| rotation.apply_to_row(row));
            let rows = Tensor::from_data(TensorData::new(rows, [5, width]), &Device::flex());
            assert!(gap(turned, rows) < 1e-5, "{width} on the host");
        }
    }

    #[test]
    fn an_outlier_is_spread_over_its_block() {
        let mut values = vec![0.0_f32; 64];
        values[17] = 8.0;
        let x = Tensor::<2>::from_data(TensorData::new(values, [1, 64]), &Device::flex());
        let turned = Rotation::new(64, 0, "test").apply(x);
        assert!((turned.clone().abs().max().into_scalar::<f32>() - 1.0).abs() < 1e-6);
        assert!((turned.abs().min().into_scalar::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_is_the_transpose() {
        let rotation = Rotation::new(24, 2, "test");
        let x = Tensor::from_inner(matrix(3, 24)).require_grad();
        let dy = matrix(3, 24) * 2.0;
        let y = rotation.apply(x.clone()) * Tensor::from_inner(dy.clone());
        let grads = y.sum().backward();
        assert!(gap(x.grad(&grads).unwrap(), rotation.undo(dy)) < 1e-5);
    }
}
