//! Divergences over the whole vocabulary from log-probabilities `[batch, time, vocab]`, for models
//! that have them at hand. Our own policies compute them in the head, in chunks.
//!
//! ```text
//! forward_kl       KL(teacher || student) = sum q log(q / p)
//! reverse_kl       KL(student || teacher) = sum p log(p / q)
//! jensen_shannon   beta KL(q || m) + (1 - beta) KL(p || m)        m = beta q + (1 - beta) p
//! ```
//!
//! The last is GKD's (Agarwal et al. 2023; TRL's `generalized_jsd_loss`), which becomes the forward KL
//! at `beta = 0` and the reverse KL at `beta = 1`, each in the limit after division by `beta` or
//! `1 - beta`: TRL takes the plain divergences there, and so do we.

use burn::tensor::Tensor;

/// KL(teacher || student) per token, `[batch, time]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::divergence::forward_kl;
/// let device = Device::flex();
/// let student = Tensor::<3>::from_data([[[0.5_f32, 0.5]]], &device).log();
/// let teacher = Tensor::<3>::from_data([[[1.0_f32, 0.0]]], &device).log();
/// let kl = forward_kl(student, teacher).into_scalar::<f32>();
/// assert!((kl - std::f32::consts::LN_2).abs() < 1e-6);
/// ```
pub fn forward_kl(student: Tensor<3>, teacher: Tensor<3>) -> Tensor<2> {
    kl(teacher, student)
}

/// KL(student || teacher) per token, `[batch, time]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::divergence::reverse_kl;
/// let device = Device::flex();
/// let student = Tensor::<3>::from_data([[[1.0_f32, 0.0]]], &device).log();
/// let teacher = Tensor::<3>::from_data([[[0.5_f32, 0.5]]], &device).log();
/// let kl = reverse_kl(student, teacher).into_scalar::<f32>();
/// assert!((kl - std::f32::consts::LN_2).abs() < 1e-6);
/// ```
pub fn reverse_kl(student: Tensor<3>, teacher: Tensor<3>) -> Tensor<2> {
    kl(student, teacher)
}

/// The generalised Jensen-Shannon divergence per token, `[batch, time]`; `beta` from 0 to 1.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::divergence::jensen_shannon;
/// let device = Device::flex();
/// let student = Tensor::<3>::from_data([[[1.0_f32, 0.0]]], &device).log();
/// let teacher = Tensor::<3>::from_data([[[0.0_f32, 1.0]]], &device).log();
/// let divergence = jensen_shannon(student, teacher, 0.5).into_scalar::<f32>();
/// assert!((divergence - std::f32::consts::LN_2).abs() < 1e-6);
/// ```
pub fn jensen_shannon(student: Tensor<3>, teacher: Tensor<3>, beta: f64) -> Tensor<2> {
    if beta == 0.0 {
        return forward_kl(student, teacher);
    }
    if beta == 1.0 {
        return reverse_kl(student, teacher);
    }
    let (a, b) = (student.clone() + (1.0 - beta).ln(), teacher.clone() + beta.ln());
    let most = a.clone().max_pair(b.clone()).detach();
    // Where neither has any mass, minus infinity would give NaN.
    let most = most.clone().mask_fill(most.equal_scalar(f64::NEG_INFINITY), 0.0);
    let mixture = ((a - most.clone()).exp() + (b - most.clone()).exp()).log() + most;
    kl(teacher, mixture.clone()) * beta + kl(student, mixture) * (1.0 - beta)
}

/// `sum p log(p / q)`; tokens without mass under `p` add nothing.
fn kl(p: Tensor<3>, q: Tensor<3>) -> Tensor<2> {
    let [batch, time, _] = p.dims();
    let none = p.clone().detach().equal_scalar(f64::NEG_INFINITY);
    let p = p.mask_fill(none.clone(), 0.0);
    let gap = (p.clone() - q.mask_fill(none.clone(), 0.0)).mask_fill(none, 0.0);
    (p.exp() * gap).sum_dim(2).reshape([batch, time])
}
