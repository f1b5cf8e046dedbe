use super::dora;
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// The adapter of one linear map.
#[derive(Module, Debug)]
pub struct Lora {
    /// `A`, `[r, in]`.
    pub a: Param<Tensor<2>>,
    /// `B`, `[out, r]`.
    pub b: Param<Tensor<2>>,
    /// DoRA's magnitudes `m`, `[out]`.
    pub magnitude: Option<Param<Tensor<1>>>,
    /// `s`, the factor of `B A`.
    #[module(skip)]
    pub scale: f64,
    /// `sum_i W_oi^2` of the weight it belongs to, `[out]`: DoRA's, which never changes.
    #[module(skip)]
    pub(crate) squares: Option<Tensor<1>>,
}

impl Lora {
    /// What becomes of `y = x W^T` `[n, out]`, before a bias is added.
    ///
    /// As two thin products, `x A^T` first.
    pub(crate) fn forward(&self, y: Tensor<2>, x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
        let delta = x.matmul(self.a.val().transpose()).matmul(self.b.val().transpose());
        let y = y + delta * self.scale;
        match self.factors(weight) {
            Some(factors) => y * factors.unsqueeze(),
            None => y,
        }
    }

    /// DoRA's `c = m / |W + s B A|`, `[out]`; the norms have no gradient.
    pub(crate) fn factors(&self, weight: &Tensor<2>) -> Option<Tensor<1>> {
        let magnitude = self.magnitude.as_ref()?.val();
        let norms = dora::norms(
            weight.clone().inner(),
            self.squares.clone(),
            self.a.val().inner(),
            self.b.val().inner(),
            self.scale,
        );
        let tracked = magnitude.is_autodiff();
        Some(magnitude / if tracked { Tensor::from_inner(norms) } else { norms })
    }
}
