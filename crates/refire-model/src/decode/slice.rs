use super::product::Values;
use crate::ModelError;
use crate::weights::host_values;
use burn::tensor::Tensor;
use half::bf16;
use rayon::prelude::*;
use refire_objective::Dtype;

/// A weight as a slice: a handle on the tensor's own memory where the device is the CPU, a copy
/// elsewhere.
pub(super) enum Weight {
    #[cfg(feature = "flex")]
    Shared(burn::backend::flex::FlexTensor),
    Copied(Vec<f32>),
}

impl Weight {
    pub(super) fn new<const D: usize>(what: &str, tensor: Tensor<D>) -> Result<Self, ModelError> {
        let tensor = tensor.inner();
        #[cfg(feature = "flex")]
        if let Ok(shared) = tensor.clone().try_into_primitive::<burn::backend::Flex>() {
            let whole = shared.layout().is_contiguous() && shared.layout().start_offset() == 0;
            if whole && shared.dtype() == burn::tensor::DType::F32 {
                return Ok(Self::Shared(shared));
            }
        }
        host_values(what, tensor).map(Self::Copied)
    }

    pub(super) fn get(&self) -> &[f32] {
        match self {
            #[cfg(feature = "flex")]
            Self::Shared(tensor) => tensor.storage(),
            Self::Copied(values) => values,
        }
    }
}

/// A matrix as the decoder stores it: where it is, or rounded.
pub(super) enum Matrix {
    Exact(Weight),
    Bf16(Vec<bf16>),
}

impl Matrix {
    pub(super) fn new<const D: usize>(
        what: &str,
        tensor: Tensor<D>,
        dtype: Dtype,
    ) -> Result<Self, ModelError> {
        let weight = Weight::new(what, tensor)?;
        match dtype {
            Dtype::F32 => Ok(Self::Exact(weight)),
            Dtype::Bf16 => {
                Ok(Self::Bf16(weight.get().par_iter().map(|x| bf16::from_f32(*x)).collect()))
            }
            Dtype::F16 => {
                Err(ModelError::Weights { reason: "a decoder stores its weights as f32 or bf16" })
            }
        }
    }

    pub(super) fn get(&self) -> Values<'_> {
        match self {
            Self::Exact(weight) => Values::F32(weight.get()),
            Self::Bf16(values) => Values::Bf16(values),
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::decoder::{VisitParam, visit_params};
    use crate::{Decoder, Learner, LearnerConfig, TinyLlama};
    use burn::tensor::Device;
    use refire_core::Needs;
    use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};

    /// Addresses of all weights' memory; `None` where they would be copied.
    #[derive(Default)]
    struct Addresses(Vec<Option<usize>>);

    impl VisitParam for Addresses {
        fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
            let weight = Weight::new(path, tensor).expect("readable");
            let shared = matches!(weight, Weight::Shared(_));
            self.0.push(shared.then(|| weight.get().as_ptr() as usize));
        }
    }

    fn addresses(learner: &Learner) -> Vec<Option<usize>> {
        let mut found = Addresses::default();
        let looked = learner.handle().with(|decoder, _| visit_params(decoder, &mut found));
        looked.expect("there");
        found.0
    }

    #[test]
    fn weights_are_read_where_the_learner_keeps_them_before_and_after_an_update() {
        let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
        let mut learner = Learner::new(decoder, LearnerConfig::default());
        for step in 0..3 {
            let shared = addresses(&learner);
            assert!(shared.iter().all(Option::is_some), "a copy at step {step}");
            assert_eq!(shared, addresses(&learner), "two looks see the same memory");
            let batch = TokenBatch::continuations([(&[1][..], &[2, 3][..])]);
            let query = HeadQuery::new(Needs::NONE, &[1.0]);
            let loss = &mut |stats: refire_objective::TokenStats| {
                Ok(Loss { total: stats.logprobs.sum().neg(), metrics: Vec::new() })
            };
            learner.accumulate(&batch, &query, loss).expect("a valid batch");
            learner.step(1e-3).expect("finite");
        }
    }
}
