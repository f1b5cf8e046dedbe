use super::dora;
use super::dropout::Dropout;
use crate::Linear;
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

/// The adapter of one linear map, or of the embedding.
#[derive(Module, Debug)]
pub struct Lora {
    /// `A`, `[r, in]`; the embedding's is `[r, vocab]`.
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
    /// What the present pass of training drops of the inputs; nothing elsewhere.
    #[module(skip)]
    pub(super) dropout: Option<Dropout>,
}

impl Lora {
    /// What becomes of `y = x W^T` `[n, out]`, before a bias is added.
    ///
    /// As two thin products, `x A^T` first. With dropout `d` it is, as in PEFT,
    ///
    /// ```text
    /// LoRA    y + s (d(x) A^T) B^T
    /// DoRA    y + (c - 1) d(x) W^T + c s (d(x) A^T) B^T
    /// ```
    pub(crate) fn forward(&self, y: Tensor<2>, x: Tensor<2>, linear: &Linear) -> Tensor<2> {
        let factors = self.factors(|| linear.weight.val()).map(|factors| factors.unsqueeze());
        match (&self.dropout, factors) {
            (_, None) => y + self.delta(self.dropped(x)),
            (None, Some(factors)) => (y + self.delta(x)) * factors,
            (Some(dropout), Some(factors)) => {
                let x = dropout.drop(x);
                let base = linear.product(x.clone()) * (factors.clone() - 1.0);
                y + base + self.delta(x) * factors
            }
        }
    }

    /// `u = s d(x) A^T`, `[n, r]`: what the head reads beside its hidden states.
    pub(crate) fn narrowed(&self, x: Tensor<2>) -> Tensor<2> {
        self.dropped(x).matmul(self.a.val().transpose()) * self.scale
    }

    /// What an embedding's adapter adds for these tokens, `[n, hidden]`: `s B A` column by column.
    pub(crate) fn looked_up(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let columns = self.a.val().select(1, ids).transpose();
        columns.matmul(self.b.val().transpose()) * self.scale
    }

    /// The adapter in a module that reads only some of the pass's tokens.
    pub(crate) fn select(mut self, rows: &[usize]) -> Self {
        self.dropout = self.dropout.map(|dropout| dropout.select(rows));
        self
    }

    /// DoRA's `c = m / |W + s B A|`, `[out]`; the norms have no gradient.
    pub(crate) fn factors(&self, weight: impl FnOnce() -> Tensor<2>) -> Option<Tensor<1>> {
        let magnitude = self.magnitude.as_ref()?.val();
        let norms = dora::norms(
            weight().inner(),
            self.squares.clone(),
            self.a.val().inner(),
            self.b.val().inner(),
            self.scale,
        );
        let tracked = magnitude.is_autodiff();
        Some(magnitude / if tracked { Tensor::from_inner(norms) } else { norms })
    }

    fn delta(&self, x: Tensor<2>) -> Tensor<2> {
        let thin = x.matmul(self.a.val().transpose());
        thin.matmul(self.b.val().transpose()) * self.scale
    }

    fn dropped(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.dropout {
            Some(dropout) => dropout.drop(x),
            None => x,
        }
    }
}
