//! MiniLLM: reverse-KL distillation by policy gradient, with the part that has a closed form taken
//! out of the noise.
//!
//! ```text
//! r_t  = ref_logprob_t - logprob_t                        ref: teacher
//! R_t  = mean over t' > t of r_t'                         constant; 0 behind the last token
//! loss = KL(student || teacher)_t - R_t logprob_t         the KL over the whole vocabulary
//! ```
//!
//! Gu et al., "MiniLLM: Knowledge Distillation of Large Language Models" (2023), equations 4 to 7:
//! single-step decomposition and length normalisation, on rows that the student wrote. Without its
//! teacher-mixed sampling and the importance weights that go with it, and without its language
//! modelling loss on pre-training text: mix an [`Nll`](super::Nll) in.

use crate::columns::{View, reduced};
use burn::tensor::Tensor;
use refire_core::{BoxError, KlDirection, Needs, Stateful};
use refire_objective::{
    Aggregation, Counts, Loss, Objective, Scope, StepContext, Targets, TokenStats,
};

const NAME: &str = "mini_llm";

/// Mean reward of the tokens behind each, `[batch, time]`, a constant.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::later_rewards;
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -2.0, -3.0]], &device);
/// let teacher = Tensor::<2>::from_data([[-1.0, -1.0, -1.0]], &device);
/// let mask = Tensor::<2>::ones([1, 3], &device);
/// let later = later_rewards(logprobs, teacher, mask).into_data().to_vec::<f32>()?;
/// assert_eq!(later, [1.5, 2.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn later_rewards(logprobs: Tensor<2>, ref_logprobs: Tensor<2>, mask: Tensor<2>) -> Tensor<2> {
    let hidden = mask.clone().equal_scalar(0.0);
    let rewards = (ref_logprobs.detach() - logprobs.detach()).mask_fill(hidden.clone(), 0.0);
    let behind = |x: Tensor<2>| x.clone().flip([1]).cumsum(1).flip([1]) - x;
    let tokens = behind(mask).clamp_min(1.0);
    (behind(rewards) / tokens).mask_fill(hidden, 0.0)
}

/// The loss per token, `[batch, time]`, from log-probabilities, the teacher's, and the divergence of
/// each token's distributions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::mini_llm;
/// let device = Device::flex();
/// let row = |x: [f32; 2]| Tensor::<2>::from_data([x], &device);
/// let loss = mini_llm(row([-1.0, -2.0]), row([-1.0, -1.0]), row([0.3, 0.4]), row([1.0, 1.0]));
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [1.3, 0.4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn mini_llm(
    logprobs: Tensor<2>,
    ref_logprobs: Tensor<2>,
    full_kl: Tensor<2>,
    mask: Tensor<2>,
) -> Tensor<2> {
    let later = later_rewards(logprobs.clone(), ref_logprobs, mask);
    full_kl - later * logprobs
}

/// [`mini_llm`] as an [`Objective`]: a mean over the tokens of the step, with token weights.
///
/// Metrics: `loss`, `kl`, and `entropy` where it was computed; all are means over tokens.
///
/// ```
/// use refire_objective::{Objective, Scope};
/// use refire_sft::loss::MiniLlm;
/// assert!(MiniLlm.needs().full_kl.is_some() && MiniLlm.scope() == Scope::Row);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MiniLlm;

impl Stateful for MiniLlm {}

impl Objective for MiniLlm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        Needs { ref_logprobs: true, full_kl: Some(KlDirection::Reverse), ..Needs::NONE }
    }

    fn scope(&self) -> Scope {
        Scope::Row
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        _context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let view = View::of(&targets.mask);
        let logprobs = view.visible("logprobs", &stats.logprobs)?;
        let teacher = view.required("ref_logprobs", &targets.ref_logprobs, NAME)?;
        let kl = view.required("full_kl", &stats.full_kl, NAME)?;
        let mask = targets.mask.clone().cast(logprobs.dtype());
        let per_token = if targets.mask.dims().contains(&0) {
            kl.clone() + logprobs
        } else {
            mini_llm(logprobs, teacher, kl.clone(), mask)
        };
        let how = Aggregation::TokenMean;
        Ok(reduced(per_token, how, stats, targets, counts, vec![("kl", kl)])?)
    }
}
