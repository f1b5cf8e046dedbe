use super::Pool;
use super::arms::{Arms, Served};
use crate::{DataError, Success};
use refire_core::{BoxError, Group, PromptSource, Request, Score, Stateful};
use serde::{Deserialize, Serialize};

/// DRIVE's two stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DriveConfig {
    /// Requests of the first stage, in shuffled passes over all prompts.
    pub first_requests: u64,
    /// Completions of a request in the first stage. 8.
    pub first_group: usize,
    /// Completions of a request in the second stage. 64: rare successes are worth finding.
    pub second_group: usize,
    /// Share of prompts that stay when the hardest are chosen anew, in `(0, 1]`.
    pub retain: f64,
    /// Passes over the kept prompts between two choices.
    pub passes: u64,
    /// Fewest prompts to keep.
    pub least: usize,
    /// What a success is.
    pub success: Success,
    /// Seed of the shuffles.
    pub seed: u64,
}

impl Default for DriveConfig {
    fn default() -> Self {
        Self {
            first_requests: 10_000,
            first_group: 8,
            second_group: 64,
            retain: 0.5,
            passes: 2,
            least: 64,
            success: Success::default(),
            seed: 0,
        }
    }
}

impl DriveConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DataError> {
        let mut problems = Vec::new();
        let least = [
            ("first_group", self.first_group),
            ("second_group", self.second_group),
            ("passes", self.passes as usize),
            ("least", self.least),
        ];
        for (field, value) in least.into_iter().filter(|(_, value)| *value == 0) {
            problems.push(DataError::out_of_range(field, value, "at least 1"));
        }
        if self.retain <= 0.0 || self.retain > 1.0 || self.retain.is_nan() {
            problems.push(DataError::out_of_range("retain", self.retain, "above 0, up to 1"));
        }
        problems
    }
}

/// DRIVE (arXiv 2511.06307): first a large uniform set with small groups, which keeps entropy up;
/// then few hard prompts with large groups, where after some passes only the hardest stay, again
/// and again. Prompts that are sometimes solved go before those that never were: of these nothing
/// can be learned yet.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{Drive, DriveConfig, Pool};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let config = DriveConfig { first_requests: 6, least: 2, ..DriveConfig::default() };
/// let mut source = Drive::new(pool, config)?;
/// assert!(source.next(6)?.iter().all(|request| request.n == 8));
/// assert_eq!(source.next(1)?[0].n, 64, "the second stage");
/// assert_eq!(source.kept().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Drive {
    config: DriveConfig,
    pool: Pool,
    memory: Memory,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memory {
    rates: Vec<Option<f64>>,
    kept: Vec<usize>,
    /// How often the hardest were chosen; 0 in the first stage.
    round: u64,
    served: Served,
}

impl Memory {
    /// Passes over what is kept.
    fn arms(&self, seed: u64) -> Arms {
        // Each round shuffles with a seed of its own.
        Arms::new(vec![self.kept.clone()], seed.wrapping_add(self.round << 32))
    }
}

impl Drive {
    /// Both stages over a pool.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(pool: Pool, config: DriveConfig) -> Result<Self, DataError> {
        DataError::from_problems(config.validate())?;
        let kept: Vec<usize> = (0..pool.len()).collect();
        let rates = vec![None; pool.len()];
        let mut memory = Memory { rates, kept, round: 0, served: Served::default() };
        memory.served = memory.arms(config.seed).served();
        Ok(Self { config, pool, memory })
    }

    /// How often the hardest were chosen: 0 in the first stage.
    pub fn round(&self) -> u64 {
        self.memory.round
    }

    /// Positions of the prompts in play.
    pub fn kept(&self) -> &[usize] {
        &self.memory.kept
    }

    fn arms(&self) -> Arms {
        self.memory.arms(self.config.seed)
    }

    /// Goes on to the hardest prompts if it is time to.
    fn advance(&mut self, arms: &mut Arms) {
        let served = arms.count(0, &self.memory.served);
        let due = if self.memory.round == 0 {
            served >= self.config.first_requests
        } else {
            served >= self.config.passes * self.memory.kept.len() as u64
        };
        let least = self.config.least.min(self.memory.kept.len());
        if !due || (self.memory.round > 0 && self.memory.kept.len() <= least) {
            return;
        }
        let wanted = (self.memory.kept.len() as f64 * self.config.retain).ceil() as usize;
        let rates = &self.memory.rates;
        // Hardest first: rates above 0 rising, then those never solved, then those never seen.
        let rank = |at: &usize| match rates[*at] {
            Some(rate) if rate > 0.0 => (0, rate),
            Some(_) => (1, 0.0),
            None => (2, 0.0),
        };
        self.memory.kept.sort_by(|a, b| {
            let ((x, p), (y, q)) = (rank(a), rank(b));
            x.cmp(&y).then(p.total_cmp(&q)).then(a.cmp(b))
        });
        self.memory.kept.truncate(wanted.max(least));
        self.memory.round += 1;
        *arms = self.arms();
        self.memory.served = arms.served();
    }
}

impl PromptSource for Drive {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let mut arms = self.arms();
        let mut requests = Vec::with_capacity(n);
        for _ in 0..n {
            self.advance(&mut arms);
            let at = arms.next(0, &mut self.memory.served);
            let DriveConfig { first_group, second_group, .. } = self.config;
            let group = if self.memory.round == 0 { first_group } else { second_group };
            requests.push(self.pool.request_for(at, group));
        }
        Ok(requests)
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        for (group, scores) in groups.iter().zip(scores) {
            let at = self.pool.position(group.request.prompt.id);
            if let (Some(at), Some(rate)) = (at, self.config.success.rate(scores).mean()) {
                self.memory.rates[at] = Some(rate);
            }
        }
    }
}

impl Stateful for Drive {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.pool.save(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (prompts, seed) = (self.pool.len(), self.config.seed);
        let misfit = |memory: &Memory| {
            let fits = memory.rates.len() == prompts
                && !memory.kept.is_empty()
                && memory.kept.iter().all(|at| *at < prompts)
                && memory.arms(seed).fits(&memory.served);
            (!fits).then_some("what it kept isn't among the prompts")
        };
        self.memory = self.pool.load("Drive", state, misfit)?;
        Ok(())
    }
}
