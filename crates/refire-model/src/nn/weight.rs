use crate::Nf4;
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param,
};
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// A linear map's weight `[out, in]`: a parameter, or frozen in 4 bits.
///
/// As a module it has the parameter's path; in 4 bits it has no parameter.
#[derive(Debug, Clone)]
pub enum LinearWeight {
    /// A parameter.
    Whole(Param<Tensor<2>>),
    /// Frozen, in 4 bits.
    Packed(Arc<Nf4>),
}

impl LinearWeight {
    /// The weight, made whole where it is in 4 bits (and without gradient then).
    pub fn val(&self) -> Tensor<2> {
        match self {
            Self::Whole(weight) => weight.val(),
            Self::Packed(weight) => weight.whole(),
        }
    }

    /// `[out, in]`.
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Whole(weight) => weight.val().dims(),
            Self::Packed(weight) => weight.dims(),
        }
    }

    /// Memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Whole(weight) => {
                weight.val().dtype().size() * weight.val().shape().num_elements()
            }
            Self::Packed(weight) => weight.bytes(),
        }
    }

    /// `x W^T`.
    pub(super) fn product(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Whole(weight) => refire_kernels::linear(x, weight.val()),
            Self::Packed(weight) => crate::nf4::product(x, weight),
        }
    }
}

impl From<Param<Tensor<2>>> for LinearWeight {
    fn from(weight: Param<Tensor<2>>) -> Self {
        Self::Whole(weight)
    }
}

impl From<Tensor<2>> for LinearWeight {
    fn from(weight: Tensor<2>) -> Self {
        Self::Whole(Param::from_tensor(weight))
    }
}

impl From<Nf4> for LinearWeight {
    fn from(weight: Nf4) -> Self {
        Self::Packed(Arc::new(weight))
    }
}

/// burn derives this for enums too, but puts the variant's name into the path.
impl Module for LinearWeight {
    fn collect_devices(&self, mut devices: Devices) -> Devices {
        match self {
            Self::Whole(weight) => weight.collect_devices(devices),
            Self::Packed(weight) => {
                let device = weight.device();
                if !devices.contains(&device) {
                    devices.push(device);
                }
                devices
            }
        }
    }

    fn fork(self, device: &Device) -> Self {
        match self {
            Self::Whole(weight) => Self::Whole(weight.fork(device)),
            Self::Packed(weight) => Self::Packed(Arc::new(weight.to_device(device))),
        }
    }

    fn to_device(self, device: &Device) -> Self {
        match self {
            Self::Whole(weight) => Self::Whole(weight.to_device(device)),
            Self::Packed(weight) => Self::Packed(Arc::new(weight.to_device(device))),
        }
    }

    fn train(self) -> Self {
        match self {
            Self::Whole(weight) => Self::Whole(weight.train()),
            packed => packed,
        }
    }

    fn valid(&self) -> Self {
        match self {
            Self::Whole(weight) => Self::Whole(weight.valid()),
            packed => packed.clone(),
        }
    }

    fn materialize(self) -> Self {
        match self {
            Self::Whole(weight) => Self::Whole(weight.materialize()),
            packed => packed,
        }
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        if let Self::Whole(weight) = self {
            weight.visit(visitor);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        match self {
            Self::Whole(weight) => Self::Whole(Module::map(weight, mapper)),
            packed => packed,
        }
    }
}

impl ModuleDisplayDefault for LinearWeight {
    fn content(&self, content: Content) -> Option<Content> {
        let [rows, columns] = self.dims();
        let kind = if matches!(self, Self::Whole(_)) { "whole" } else { "4 bits" };
        content.add_formatted(&format!("{kind} {{{rows}, {columns}}}")).optional()
    }
}

impl ModuleDisplay for LinearWeight {}
