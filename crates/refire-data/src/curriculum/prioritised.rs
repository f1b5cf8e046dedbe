use super::Pool;
use super::pool::draws;
use crate::{DataError, Success};
use refire_core::{BoxError, Group, PromptSource, Request, Score, Stateful};
use serde::{Deserialize, Serialize};

/// Prioritised sampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrioritisedConfig {
    /// Success rate of a prompt never seen. 0: every prompt is asked at first.
    pub prior: f64,
    /// Weight of a prompt's old success rate against the newest one.
    pub momentum: f64,
    /// Least weight: solved prompts come back now and then, to see whether they stay solved.
    pub floor: f64,
    /// What a success is.
    pub success: Success,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for PrioritisedConfig {
    fn default() -> Self {
        Self { prior: 0.0, momentum: 0.5, floor: 0.02, success: Success::default(), seed: 0 }
    }
}

impl PrioritisedConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DataError> {
        let fields = [("prior", self.prior), ("momentum", self.momentum), ("floor", self.floor)];
        let bad = fields.into_iter().filter(|(_, value)| !(0.0..=1.0).contains(value));
        bad.map(|(field, value)| DataError::out_of_range(field, value, "from 0 to 1")).collect()
    }
}

/// Kimi k1.5's prioritised sampling (arXiv 2501.12599): a prompt is drawn with probability
/// proportional to `1 - success rate`, so what is solved makes room for what isn't. With
/// replacement.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{Pool, Prioritised, PrioritisedConfig};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let mut source = Prioritised::new(pool, PrioritisedConfig::default())?;
/// assert_eq!(source.weights(), [1.0; 6], "nothing is solved yet");
/// assert_eq!(source.next(4)?.len(), 4);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prioritised {
    config: PrioritisedConfig,
    pool: Pool,
    memory: Memory,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memory {
    rates: Vec<Option<f64>>,
    batches: u64,
}

impl Prioritised {
    /// Sampling from a pool.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(pool: Pool, config: PrioritisedConfig) -> Result<Self, DataError> {
        DataError::from_problems(config.validate())?;
        let memory = Memory { rates: vec![None; pool.len()], batches: 0 };
        Ok(Self { config, pool, memory })
    }

    /// Weight of each prompt: `max(1 - rate, floor)`.
    pub fn weights(&self) -> Vec<f64> {
        let PrioritisedConfig { prior, floor, .. } = self.config;
        self.memory.rates.iter().map(|rate| (1.0 - rate.unwrap_or(prior)).max(floor)).collect()
    }
}

impl PromptSource for Prioritised {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let mut total = 0.0;
        let sums: Vec<f64> = self
            .weights()
            .iter()
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        let mut stream = draws(self.config.seed, "prioritised", self.memory.batches);
        self.memory.batches += 1;
        let requests = (0..n).map(|_| {
            let at = stream.uniform() * total;
            let at = sums.partition_point(|sum| *sum <= at).min(sums.len() - 1);
            self.pool.request(at)
        });
        Ok(requests.collect())
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        for (group, scores) in groups.iter().zip(scores) {
            let at = self.pool.position(group.request.prompt.id);
            if let (Some(at), Some(rate)) = (at, self.config.success.rate(scores).mean()) {
                let m = self.config.momentum;
                let old = self.memory.rates[at];
                self.memory.rates[at] = Some(old.map_or(rate, |old| m * old + (1.0 - m) * rate));
            }
        }
    }
}

impl Stateful for Prioritised {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.pool.save(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let prompts = self.pool.len();
        let misfit = |memory: &Memory| {
            (memory.rates.len() != prompts).then_some("it holds rates of other prompts")
        };
        self.memory = self.pool.load("Prioritised", state, misfit)?;
        Ok(())
    }
}
