use crate::check;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Cosines and sines of every token, `[n, pairs]` each.
#[derive(Debug, Clone)]
pub struct Turns {
    pub(crate) cos: Tensor<2>,
    pub(crate) sin: Tensor<2>,
}

impl Turns {
    /// From tables with one row of `pairs` numbers for each token. Where one of them isn't made of
    /// whole rows, or they aren't equally long, whatever is turned by them is NaN.
    pub fn new(cos: Vec<f32>, sin: Vec<f32>, pairs: usize, device: &Device, dtype: DType) -> Self {
        let tokens = cos.len().checked_div(pairs).unwrap_or(0);
        let count = tokens * pairs;
        let (cos, sin) = match [cos.len(), sin.len()] == [count; 2] {
            true => (cos, sin),
            false => (vec![f32::NAN; count], vec![f32::NAN; count]),
        };
        let place =
            |table| Tensor::from_data(TensorData::new(table, [tokens, pairs]), (device, dtype));
        Self { cos: place(cos), sin: place(sin) }
    }
}

/// Rotary positions (Su et al., arXiv 2104.09864): rotates the pairs `(i, i + pairs)` of each head
/// of `x` `[n, heads, d]`, and leaves what lies beyond `2 pairs`.
///
/// ```text
/// y_i = x_i cos - x_{i + pairs} sin        y_{i + pairs} = x_{i + pairs} cos + x_i sin
/// ```
///
/// ```
/// use burn::tensor::{DType, Device, Tensor};
/// use refire_kernels::{Turns, rope};
/// let device = Device::flex();
/// let quarter = Turns::new(vec![0.0], vec![1.0], 1, &device, DType::F32);
/// let x = Tensor::<3>::from_data([[[1.0, 2.0, 7.0]]], &device);
/// let y = rope(x, &quarter);
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [-2.0, 1.0, 7.0]);
/// ```
pub fn rope(x: Tensor<3>, turns: &Turns) -> Tensor<3> {
    #[cfg(feature = "flex")]
    let x = match crate::flex::rope(x, turns) {
        Ok(y) => return y,
        Err(x) => x,
    };
    #[cfg(feature = "cube")]
    let x = match crate::cube::rope(x, turns) {
        Ok(y) => return y,
        Err(x) => x,
    };
    plain(x, turns)
}

/// [`rope`](crate::rope) composed of burn's operations.
///
/// ```
/// use burn::tensor::{DType, Device, Tensor};
/// use refire_kernels::{Turns, plain};
/// let device = Device::flex();
/// let quarter = Turns::new(vec![0.0], vec![1.0], 1, &device, DType::F32);
/// let y = plain::rope(Tensor::from_data([[[1.0, 2.0]]], &device), &quarter);
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [-2.0, 1.0]);
/// ```
pub fn plain(x: Tensor<3>, turns: &Turns) -> Tensor<3> {
    if check::rope(&x, turns).is_err() {
        let shape = x.dims();
        return check::nothing(x, shape);
    }
    if turns.cos.dims()[1] == 0 || x.dims().contains(&0) {
        return x;
    }
    let (pairs, d) = (turns.cos.dims()[1], x.dims()[2]);
    let [cos, sin] = [&turns.cos, &turns.sin].map(|table| table.clone().unsqueeze_dim::<3>(1));
    let low = x.clone().narrow(2, 0, pairs);
    let high = x.clone().narrow(2, pairs, pairs);
    let turned_low = low.clone() * cos.clone() - high.clone() * sin.clone();
    let turned_high = high * cos + low * sin;
    let mut parts = vec![turned_low, turned_high];
    if 2 * pairs < d {
        parts.push(x.narrow(2, 2 * pairs, d - 2 * pairs));
    }
    Tensor::cat(parts, 2)
}
