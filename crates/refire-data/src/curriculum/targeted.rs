use super::pool::draws;
use super::{KernelPredictor, Pool};
use crate::{DataError, Success, sample_without_replacement, target_probabilities};
use refire_core::{BoxError, Group, PromptSource, Request, Score, Stateful};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Difficulty-targeted selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetedConfig {
    /// Pass rate wanted. 0.5, where a group's advantages are largest.
    pub target: f64,
    /// Temperature of the softmax over `-|predicted - target|`. DOTS has 1e-3, all but greedy; a
    /// larger one explores.
    pub temperature: f64,
    /// An observation's weight halves after so many batches, since the policy moves on.
    pub half_life: f64,
    /// The first batches are drawn uniformly, to have something to predict from.
    pub explore: u64,
    /// What a success is.
    pub success: Success,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for TargetedConfig {
    fn default() -> Self {
        Self {
            target: 0.5,
            temperature: 1e-3,
            half_life: 16.0,
            explore: 2,
            success: Success::default(),
            seed: 0,
        }
    }
}

impl TargetedConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DataError> {
        let mut problems = Vec::new();
        if !(0.0..=1.0).contains(&self.target) {
            problems.push(DataError::out_of_range("target", self.target, "from 0 to 1"));
        }
        for (field, value) in [("temperature", self.temperature), ("half_life", self.half_life)] {
            if value <= 0.0 || value.is_nan() {
                problems.push(DataError::out_of_range(field, value, "above 0"));
            }
        }
        problems
    }
}

/// DOTS (Sun et al., arXiv 2506.05316): predicts every prompt's pass rate from those observed, and
/// draws without replacement by softmax of `-|rate - target| / temperature`.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{KernelPredictor, Pool, Targeted, TargetedConfig};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let difficulties = (0..6).map(|at| vec![f64::from(at)]).collect();
/// let predictor = KernelPredictor::new(difficulties, 1.0, 1e-3)?;
/// let mut source = Targeted::new(pool, predictor, TargetedConfig::default())?;
/// assert_eq!(source.predicted(), [0.5; 6], "nothing was observed yet");
/// assert_eq!(source.next(4)?.len(), 4);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Targeted {
    config: TargetedConfig,
    pool: Pool,
    predictor: KernelPredictor,
    memory: Memory,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    /// The newest observation of each prompt: its pass rate, and the batch it was made in.
    observed: BTreeMap<usize, (f64, u64)>,
    batches: u64,
}

impl Targeted {
    /// Selection from a pool; the predictor's prompts are the pool's.
    ///
    /// # Errors
    /// When the configuration is wrong, or the predictor knows another number of prompts.
    pub fn new(
        pool: Pool,
        predictor: KernelPredictor,
        config: TargetedConfig,
    ) -> Result<Self, DataError> {
        DataError::from_problems(config.validate())?;
        let (found, expected) = (predictor.len(), pool.len());
        if found != expected {
            return Err(DataError::Count { what: "prompts of the predictor", found, expected });
        }
        Ok(Self { config, pool, predictor, memory: Memory::default() })
    }

    /// Predicted pass rates, by position.
    pub fn predicted(&self) -> Vec<f64> {
        let now = self.memory.batches;
        let weight = |batch: u64| 0.5_f64.powf((now - batch) as f64 / self.config.half_life);
        let observed: Vec<_> = self
            .memory
            .observed
            .iter()
            .map(|(at, (rate, batch))| (*at, *rate, weight(*batch)))
            .collect();
        self.predictor.predict(&observed)
    }
}

impl PromptSource for Targeted {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let weights = if self.memory.batches < self.config.explore {
            vec![1.0; self.pool.len()]
        } else {
            let TargetedConfig { target, temperature, .. } = self.config;
            // Far from the target a weight may round to 0; such a prompt is still drawable.
            let found = target_probabilities(&self.predicted(), target, temperature);
            found.into_iter().map(|p| p.max(f64::MIN_POSITIVE)).collect()
        };
        let mut stream = draws(self.config.seed, "targeted", self.memory.batches);
        let mut batch = Vec::with_capacity(n);
        // A batch larger than the pool takes the pool more than once.
        while batch.len() < n {
            batch.extend(sample_without_replacement(&weights, n - batch.len(), &mut stream));
        }
        self.memory.batches += 1;
        Ok(batch.into_iter().map(|at| self.pool.request(at)).collect())
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        for (group, scores) in groups.iter().zip(scores) {
            let at = self.pool.position(group.request.prompt.id);
            if let (Some(at), Some(rate)) = (at, self.config.success.rate(scores).mean()) {
                self.memory.observed.insert(at, (rate, self.memory.batches));
            }
        }
    }
}

impl Stateful for Targeted {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.pool.save(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let prompts = self.pool.len();
        let misfit = |memory: &Memory| {
            let known =
                |(at, (_, batch)): (&usize, &(f64, u64))| *at < prompts && *batch <= memory.batches;
            (!memory.observed.iter().all(known)).then_some("it observed other prompts or batches")
        };
        self.memory = self.pool.load("Targeted", state, misfit)?;
        Ok(())
    }
}
