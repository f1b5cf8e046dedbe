use super::state::{load_decoder, save_decoder};
use super::{FrozenDecoder, WeightHandle};
use crate::ModelError;
use crate::decoder::{MapParam, VisitParam, map_params, visit_trained};
use burn::module::Module;
use burn::tensor::Tensor;
use refire_core::BoxError;
use refire_objective::head::HeadInput;
use refire_objective::{FrozenPolicy, HeadQuery, MovingReference, TokenBatch, TokenStats};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const COUNTER: &str = "reference.json";

/// A reference that follows a [`Learner`](crate::Learner), from
/// [`Learner::moving_reference`](crate::Learner::moving_reference).
///
/// ```
/// use burn::tensor::Device;
/// use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};
/// use refire_objective::MovingReference;
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let learner = Learner::new(decoder, LearnerConfig::default());
/// let mut reference = learner.moving_reference()?;
/// reference.follow(0.6)?;
/// assert_eq!(reference.version(), 1);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug)]
pub struct MovingDecoder {
    frozen: FrozenDecoder,
    policy: WeightHandle,
    moves: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    moves: u64,
}

impl MovingDecoder {
    pub(super) fn new(frozen: FrozenDecoder, policy: WeightHandle) -> Self {
        Self { frozen, policy, moves: 0 }
    }
}

impl FrozenPolicy for MovingDecoder {
    fn token_stats(
        &self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
    ) -> Result<TokenStats, BoxError> {
        self.frozen.token_stats(batch, query)
    }

    fn head_input(&self, batch: &TokenBatch) -> Result<HeadInput, BoxError> {
        self.frozen.head_input(batch)
    }
}

impl MovingReference for MovingDecoder {
    fn follow(&mut self, share: f64) -> Result<(), BoxError> {
        let mut policy = Weights(BTreeMap::new());
        self.policy.with(|decoder, _| visit_trained(&decoder.valid(), &mut policy))?;
        self.frozen.change(|decoder| map_params(decoder, &mut Towards { policy, share }));
        self.moves += 1;
        Ok(())
    }

    fn version(&self) -> u64 {
        self.moves
    }

    fn save_state(&self, dir: &Path) -> Result<(), BoxError> {
        std::fs::create_dir_all(dir).map_err(ModelError::io(dir))?;
        save_decoder(self.frozen.decoder(), dir)?;
        let path = dir.join(COUNTER);
        let text = serde_json::to_vec_pretty(&Counter { moves: self.moves })?;
        Ok(std::fs::write(&path, text).map_err(ModelError::io(&path))?)
    }

    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError> {
        let path = dir.join(COUNTER);
        let text = std::fs::read(&path).map_err(ModelError::io(&path))?;
        let counter: Counter = serde_json::from_slice(&text).map_err(ModelError::json(&path))?;
        let loaded = load_decoder(self.frozen.decoder(), dir)?;
        self.frozen.change(|_| loaded);
        self.moves = counter.moves;
        Ok(())
    }
}

/// Flattened weights by path.
struct Weights(BTreeMap<String, Tensor<1>>);

impl VisitParam for Weights {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        let count = tensor.dims().iter().product::<usize>();
        self.0.insert(path.to_owned(), tensor.reshape([count]));
    }
}

struct Towards {
    policy: Weights,
    share: f64,
}

impl MapParam for Towards {
    fn map<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(policy) = self.policy.0.remove(path) else { return tensor };
        let policy = policy.reshape(tensor.shape());
        tensor * (1.0 - self.share) + policy * self.share
    }
}
