use super::{AdamWConfig, MuonConfig};
use refire_objective::ObjectiveError;
use serde::{Deserialize, Serialize};

/// How a [`Learner`](crate::Learner) updates its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearnerConfig {
    /// The optimiser of whatever isn't Muon's.
    pub adamw: AdamWConfig,
    /// Muon for the matrices of the blocks; `None` leaves them with AdamW.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muon: Option<MuonConfig>,
    /// The gradient is scaled down to this global L2 norm; `None` leaves it.
    pub max_grad_norm: Option<f64>,
    /// Rows of a batch are read in this many shards at once, each on its own thread. More help
    /// where single operations use one thread only (the CPU backend); results depend on the
    /// number of shards in their last bits, and never on the number of threads.
    pub shards: usize,
    /// Weight of the loss that keeps a mixture's experts equally busy ([`Routing::loss`](crate::Routing::loss)), added
    /// to the objective in each call of `accumulate`, over all tokens of its batch, as
    /// transformers does per micro-batch; usually the model's `router_aux_loss_coef`. `None`
    /// leaves it out, as transformers does unless asked for `output_router_logits`.
    pub router_aux_loss_coef: Option<f64>,
    /// Seed of what training draws by itself: the dropout of an adapter.
    pub seed: u64,
    /// Keeps only what each layer reads, and makes a layer's activations again when its gradients
    /// are due: a third more time, memory for one layer's activations (Chen et al., arXiv
    /// 1604.06174, with one segment per layer); the head reads half as many rows at a time.
    /// Gradients are the same, but for rounding in the head.
    pub gradient_checkpointing: bool,
}

impl Default for LearnerConfig {
    /// torch's AdamW and the usual clipping at 1.
    fn default() -> Self {
        Self {
            adamw: AdamWConfig::default(),
            muon: None,
            max_grad_norm: Some(1.0),
            shards: 1,
            router_aux_loss_coef: None,
            seed: 0,
            gradient_checkpointing: false,
        }
    }
}

impl LearnerConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let mut problems = self.adamw.validate();
        problems.extend(self.muon.iter().flat_map(MuonConfig::validate));
        if let Some(norm) = self.max_grad_norm.filter(|norm| !(norm.is_finite() && *norm > 0.0)) {
            let (field, expected) = ("max_grad_norm", "a positive number, or nothing");
            problems.push(ObjectiveError::OutOfRange { field, value: norm.to_string(), expected });
        }
        let weight = self.router_aux_loss_coef;
        if let Some(weight) = weight.filter(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            let (field, expected) = ("router_aux_loss_coef", "a number from 0, or nothing");
            let value = weight.to_string();
            problems.push(ObjectiveError::OutOfRange { field, value, expected });
        }
        if self.shards == 0 {
            let (field, expected) = ("shards", "at least 1");
            problems.push(ObjectiveError::OutOfRange { field, value: "0".to_owned(), expected });
        }
        problems
    }
}
