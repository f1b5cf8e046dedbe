use super::{INCOMPLETE, Linear, Routing, moe};
use crate::{Activation, MlpSpec, ModelError};
use burn::module::Module;
use burn::tensor::Tensor;
use refire_kernels::{geglu, swiglu};

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
        spec: &MlpSpec,
        act: Activation,
    ) -> Result<(Tensor<2>, Option<Routing>), ModelError> {
        let dense = match (self.parts()?, spec) {
            (MlpParts::Separate { gate, up, down }, _) => gated(gate, up, down, x, act),
            (MlpParts::Fused { gate_up, down }, _) => {
                let y = gate_up.forward(x);
                let width = y.dims()[1] / 2;
                let (gate, up) = (y.clone().narrow(1, 0, width), y.narrow(1, width, width));
                down.forward(joined(gate, up, act))
            }
            (MlpParts::Experts { router, experts }, MlpSpec::Experts(spec)) => {
                return moe::forward(router, experts, x, spec, act)
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
    down.forward(joined(gate.forward(x.clone()), up.forward(x), act))
}

fn joined(gate: Tensor<2>, up: Tensor<2>, act: Activation) -> Tensor<2> {
    match act {
        Activation::Silu => swiglu(gate, up),
        Activation::GeluTanh => geglu(gate, up),
    }
}
