//! Divergences between the policy `p` and a reference `q` over the whole vocabulary.
//!
//! ```text
//! reverse          KL(p || q) = sum p log(p / q)             d/dz_j = p_j (log(p_j / q_j) - KL)
//! forward          KL(q || p) = sum q log(q / p)             d/dz_j = p_j - q_j
//! jensen_shannon   b KL(q || m) + (1 - b) KL(p || m)         d/dz_j = p_j (g_j - sum p g)
//!                  m = b q + (1 - b) p                       g_j = (1 - b) log(p_j / m_j)
//! ```
//!
//! The last is the generalised Jensen-Shannon divergence of GKD (Agarwal et al., arXiv 2306.13649)
//! with the teacher as `q`.

use burn::tensor::Tensor;
use refire_core::KlDirection;

/// `[rows, 1]`.
pub(super) fn value(
    direction: KlDirection,
    p: Tensor<2>,
    log_p: Tensor<2>,
    log_q: Tensor<2>,
) -> Tensor<2> {
    match direction {
        KlDirection::Reverse => (p * (log_p - log_q)).sum_dim(1),
        KlDirection::Forward => (log_q.clone().exp() * (log_q - log_p)).sum_dim(1),
        KlDirection::JensenShannon { beta } => {
            let log_m = mixture(beta, log_p.clone(), log_q.clone());
            let teacher = log_q.clone().exp() * (log_q - log_m.clone()) * beta;
            (teacher + p * (log_p - log_m) * (1.0 - beta)).sum_dim(1)
        }
    }
}

/// Gradient with respect to the scaled logits, `[rows, vocab]`.
pub(super) fn gradient(
    direction: KlDirection,
    p: Tensor<2>,
    log_p: Tensor<2>,
    log_q: Tensor<2>,
) -> Tensor<2> {
    let centred = |g: Tensor<2>| {
        let mean = (p.clone() * g.clone()).sum_dim(1);
        p.clone() * (g - mean)
    };
    match direction {
        KlDirection::Reverse => centred(log_p - log_q),
        KlDirection::Forward => p.clone() - log_q.exp(),
        KlDirection::JensenShannon { beta } => {
            let log_m = mixture(beta, log_p.clone(), log_q);
            centred((log_p - log_m) * (1.0 - beta))
        }
    }
}

/// `log(b q + (1 - b) p)`, stable where both are tiny.
fn mixture(beta: f64, log_p: Tensor<2>, log_q: Tensor<2>) -> Tensor<2> {
    let (a, b) = (log_p + (1.0 - beta).ln(), log_q + beta.ln());
    let max = a.clone().max_pair(b.clone());
    ((a - max.clone()).exp() + (b - max.clone()).exp()).log() + max
}
