use super::Pool;
use super::arms::{Arms, Served};
use super::pool::draws;
use crate::{Attempts, DataError, Success, VarianceScore, min_max};
use refire_core::{BoxError, Group, PromptSource, Request, Score, Stateful};
use serde::{Deserialize, Serialize};

/// Variance-aware sampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VarianceConfig {
    /// How a group becomes a score.
    pub score: VarianceScore,
    /// Share of a batch drawn by score, with replacement; the rest comes from shuffled passes. 0.5.
    pub mixture: f64,
    /// Weight of a prompt's old score against a new one: `new = momentum old + (1 - momentum) score`.
    pub momentum: f64,
    /// Least weight, as a share of the largest: no prompt is lost for good.
    pub floor: f64,
    /// Every so many batches the prompts whose scores are oldest are asked instead of those drawn by
    /// score; 0 never does. The published code asks the whole set again.
    pub refresh_every: u64,
    /// What a success is.
    pub success: Success,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for VarianceConfig {
    fn default() -> Self {
        Self {
            score: VarianceScore::default(),
            mixture: 0.5,
            momentum: 0.0,
            floor: 0.05,
            refresh_every: 4,
            success: Success::default(),
            seed: 0,
        }
    }
}

impl VarianceConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DataError> {
        let fields =
            [("mixture", self.mixture), ("momentum", self.momentum), ("floor", self.floor)];
        let bad = fields.into_iter().filter(|(_, value)| !(0.0..=1.0).contains(value));
        bad.map(|(field, value)| DataError::out_of_range(field, value, "from 0 to 1")).collect()
    }
}

/// MMR1's mixture (arXiv 2509.21268): `floor(n * mixture)` prompts drawn by their variance score,
/// the others uniformly. Scores are refreshed by what is observed; a prompt that was never seen
/// counts as the best one seen.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{Pool, VarianceConfig, VarianceSampling};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let mut source = VarianceSampling::new(pool, VarianceConfig::default())?;
/// assert_eq!(source.weights(), [1.0; 6], "nothing was seen yet");
/// assert_eq!(source.next(4)?.len(), 4);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct VarianceSampling {
    config: VarianceConfig,
    pool: Pool,
    arms: Arms,
    memory: Memory,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memory {
    scores: Vec<Option<f64>>,
    /// Batch in which each prompt was last asked.
    asked: Vec<u64>,
    served: Served,
    batches: u64,
}

impl VarianceSampling {
    /// A mixture over a pool.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(pool: Pool, config: VarianceConfig) -> Result<Self, DataError> {
        DataError::from_problems(config.validate())?;
        let n = pool.len();
        let arms = Arms::new(vec![(0..n).collect()], config.seed);
        let served = arms.served();
        let memory = Memory { scores: vec![None; n], asked: vec![0; n], served, batches: 0 };
        Ok(Self { config, pool, arms, memory })
    }

    /// The weights prompts are drawn with, in `[floor, 1]`.
    pub fn weights(&self) -> Vec<f64> {
        let known = self.memory.scores.iter().flatten().copied();
        let best = known.fold(f64::NEG_INFINITY, f64::max);
        let best = if best.is_finite() { best } else { 0.0 };
        let scores: Vec<f64> = self.memory.scores.iter().map(|s| s.unwrap_or(best)).collect();
        min_max(&scores, self.config.floor)
    }

    fn weighted(&self, n: usize) -> Vec<usize> {
        let mut total = 0.0;
        let sums: Vec<f64> = self
            .weights()
            .iter()
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        let mut stream = draws(self.config.seed, "variance", self.memory.batches);
        let mut draw = || {
            let at = stream.uniform() * total;
            sums.partition_point(|sum| *sum <= at).min(sums.len() - 1)
        };
        (0..n).map(|_| draw()).collect()
    }

    /// The prompts asked longest ago.
    fn oldest(&self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pool.len()).collect();
        order.sort_by_key(|at| self.memory.asked[*at]);
        order.truncate(n);
        order
    }
}

impl PromptSource for VarianceSampling {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let chosen = (n as f64 * self.config.mixture).floor() as usize;
        let every = self.config.refresh_every;
        let refresh = every > 0 && (self.memory.batches + 1).is_multiple_of(every);
        let mut batch = if refresh { self.oldest(chosen) } else { self.weighted(chosen) };
        while batch.len() < n {
            batch.push(self.arms.next(0, &mut self.memory.served));
        }
        self.memory.batches += 1;
        batch.iter().for_each(|at| self.memory.asked[*at] = self.memory.batches);
        Ok(batch.into_iter().map(|at| self.pool.request(at)).collect())
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        for (group, scores) in groups.iter().zip(scores) {
            let attempts = Attempts::from_group(group, scores, &self.config.success);
            let at = self.pool.position(attempts.id);
            if let (Some(at), Some(score)) = (at, self.config.score.score(&attempts)) {
                let m = self.config.momentum;
                let old = self.memory.scores[at];
                self.memory.scores[at] = Some(old.map_or(score, |old| m * old + (1.0 - m) * score));
            }
        }
    }
}

impl Stateful for VarianceSampling {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.pool.save(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let prompts = self.pool.len();
        let misfit = |memory: &Memory| {
            let fits = memory.scores.len() == prompts
                && memory.asked.len() == prompts
                && self.arms.fits(&memory.served);
            (!fits).then_some("it holds scores of other prompts")
        };
        self.memory = self.pool.load("VarianceSampling", state, misfit)?;
        Ok(())
    }
}
