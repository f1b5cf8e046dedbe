use super::positions::Sight;
use super::{INCOMPLETE, Linear, Routing, moe};
use crate::{Activation, MlpSpec, ModelError};
use burn::module::Module;
use burn::tensor::{Tensor, activation};

/// A feed-forward layer: `down(act(gate(x)) * up(x))`, or a mixture of experts of that form.
///
/// Which parts are there depends on the family and the layer.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[intermediate, hidden]`.
    pub gate_proj: Option<Linear>,
    /// `[intermediate, hidden]`.
    pub up_proj: Option<Linear>,
    /// The two in one, `[2 intermediate, hidden]`: Phi 3.
    pub gate_up_proj: Option<Linear>,
    /// `[hidden, intermediate]`.
    pub down_proj: Option<Linear>,
    /// The router, `[experts, hidden]`.
    pub gate: Option<Linear>,
    /// The experts.
    pub experts: Vec<Expert>,
}

/// One of the experts of a mixture.
#[derive(Module, Debug)]
pub struct Expert {
    /// `[width, hidden]`.
    pub gate_proj: Linear,
    /// `[width, hidden]`.
    pub up_proj: Linear,
    /// `[hidden, width]`.
    pub down_proj: Linear,
}

/// A feed-forward layer by its form.
pub(crate) enum MlpParts<'a> {
    Separate { gate: &'a Linear, up: &'a Linear, down: &'a Linear },
    Fused { gate_up: &'a Linear, down: &'a Linear },
    Experts { router: &'a Linear, experts: &'a [Expert] },
}

impl Mlp {
    pub(crate) fn parts(&self) -> Result<MlpParts<'_>, ModelError> {
        if let Some(router) = &self.gate {
            return Ok(MlpParts::Experts { router, experts: &self.experts });
        }
        match (&self.gate_up_proj, &self.gate_proj, &self.up_proj, &self.down_proj) {
            (Some(gate_up), .., Some(down)) => Ok(MlpParts::Fused { gate_up, down }),
            (None, Some(gate), Some(up), Some(down)) => Ok(MlpParts::Separate { gate, up, down }),
            _ => Err(INCOMPLETE),
        }
    }

    /// `[n, hidden]` to the same; and where tokens were sent, if there are experts.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        sight: &Sight<'_>,
        spec: &MlpSpec,
        act: Activation,
    ) -> Result<(Tensor<2>, Option<Routing>), ModelError> {
        let dense = match (self.parts()?, spec) {
            (MlpParts::Separate { gate, up, down }, _) => gated(gate, up, down, x, act),
            (MlpParts::Fused { gate_up, down }, _) => {
                let y = gate_up.forward(x);
                let width = y.dims()[1] / 2;
                let gate = activate(y.clone().narrow(1, 0, width), act);
                down.forward(gate * y.narrow(1, width, width))
            }
            (MlpParts::Experts { router, experts }, MlpSpec::Experts(spec)) => {
                return moe::forward(router, experts, x, spec, act, sight.real)
                    .map(|(y, routing)| (y, Some(routing)));
            }
            (MlpParts::Experts { .. }, MlpSpec::Dense { .. }) => return Err(INCOMPLETE),
        };
        Ok((dense, None))
    }
}

impl Expert {
    /// `[n, hidden]` to the same.
    pub(super) fn forward(&self, x: Tensor<2>, act: Activation) -> Tensor<2> {
        gated(&self.gate_proj, &self.up_proj, &self.down_proj, x, act)
    }
}

/// Whether a path is that of an expert's parameter.
pub(crate) fn is_expert(path: &str) -> bool {
    path.contains(".mlp.experts.")
}

fn gated(gate: &Linear, up: &Linear, down: &Linear, x: Tensor<2>, act: Activation) -> Tensor<2> {
    let gate = activate(gate.forward(x.clone()), act);
    down.forward(gate * up.forward(x))
}

fn activate(x: Tensor<2>, act: Activation) -> Tensor<2> {
    match act {
        Activation::Silu => activation::silu(x),
        Activation::GeluTanh => gelu_tanh(x),
    }
}

/// The tanh form of GELU, as `gelu_pytorch_tanh`.
fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    let cube = x.clone() * x.clone() * x.clone();
    let inner = (x.clone() + cube * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
    x * (inner.tanh() + 1.0) * 0.5
}
