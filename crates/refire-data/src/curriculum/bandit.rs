use super::Pool;
use super::arms::{Arms, Served};
use super::pool::draws;
use crate::DataError;
use crate::select::softmax;
use refire_core::{BoxError, Group, PromptSource, Request, Score, Stateful};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Self-evolving curriculum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BanditConfig {
    /// Key of the prompts' `meta` whose value is the category.
    pub category: String,
    /// Step of the value update. 0.5.
    pub alpha: f64,
    /// Temperature of the choice. The paper's: 1.0 on Countdown, 0.4 on mathematics, 0.2 on puzzles
    /// by difficulty.
    pub temperature: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for BanditConfig {
    fn default() -> Self {
        Self { category: "category".to_owned(), alpha: 0.5, temperature: 1.0, seed: 0 }
    }
}

impl BanditConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DataError> {
        let mut problems = Vec::new();
        if !(0.0..=1.0).contains(&self.alpha) {
            problems.push(DataError::out_of_range("alpha", self.alpha, "from 0 to 1"));
        }
        if self.temperature <= 0.0 || self.temperature.is_nan() {
            let value = self.temperature;
            problems.push(DataError::out_of_range("temperature", value, "above 0"));
        }
        problems
    }
}

/// SEC (Chen et al., arXiv 2505.14970): a bandit over categories of prompts.
///
/// The reward of category `c` in a step is the mean `|advantage|` of its completions, with
/// advantages normalised within their groups; `Q(c) <- alpha r(c) + (1 - alpha) Q(c)`, categories
/// that weren't asked keep their value; `p(c)` is the softmax of `Q / temperature`. For binary
/// rewards `E|advantage| = 2 sqrt(p (1 - p))`, largest where half of the answers are right.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{Bandit, BanditConfig, Pool};
/// let prompt = |id: u64| {
///     let mut prompt = Prompt { id, ..Prompt::default() };
///     prompt.meta.insert("category".to_owned(), ["sums", "proofs"][id as usize % 2].into());
///     prompt
/// };
/// let pool = Pool::new((0..6).map(prompt).collect(), 8, SamplingParams::default())?;
/// let mut bandit = Bandit::new(pool, BanditConfig::default())?;
/// assert_eq!(bandit.next(4)?.len(), 4);
/// assert_eq!(bandit.arms(), [("proofs", 0.0, 0.5), ("sums", 0.0, 0.5)]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bandit {
    config: BanditConfig,
    pool: Pool,
    categories: Vec<String>,
    of: Vec<usize>,
    arms: Arms,
    memory: Memory,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memory {
    values: Vec<f64>,
    served: Served,
    draws: u64,
}

impl Bandit {
    /// A bandit over the categories of a pool; all values start at 0.
    ///
    /// # Errors
    /// When the configuration is wrong, or a prompt has no category.
    pub fn new(pool: Pool, config: BanditConfig) -> Result<Self, DataError> {
        DataError::from_problems(config.validate())?;
        let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for at in 0..pool.len() {
            let category = pool.meta_text(at, &config.category);
            let category = category.ok_or(DataError::Empty { what: "categories of a prompt" })?;
            members.entry(category).or_default().push(at);
        }
        let mut of = vec![0; pool.len()];
        for (arm, members) in members.values().enumerate() {
            members.iter().for_each(|at| of[*at] = arm);
        }
        let categories: Vec<String> = members.keys().cloned().collect();
        let arms = Arms::new(members.into_values().collect(), config.seed);
        let memory =
            Memory { values: vec![0.0; categories.len()], served: arms.served(), draws: 0 };
        Ok(Self { config, pool, categories, of, arms, memory })
    }

    /// Categories with their values and their probabilities.
    pub fn arms(&self) -> Vec<(&str, f64, f64)> {
        let names = self.categories.iter().map(String::as_str);
        let probabilities = self.probabilities();
        names.zip(&self.memory.values).zip(probabilities).map(|((n, v), p)| (n, *v, p)).collect()
    }

    fn probabilities(&self) -> Vec<f64> {
        softmax(&self.memory.values, self.config.temperature)
    }
}

/// Mean of `|(reward - mean) / deviation|` over a group; 0 where all rewards are equal, `None`
/// where there is none.
fn mean_abs_advantage(scores: &[Score]) -> Option<f64> {
    let rewards: Vec<f64> = scores.iter().filter_map(Score::total).collect();
    let n = rewards.len() as f64;
    if rewards.is_empty() {
        return None;
    }
    let mean = rewards.iter().sum::<f64>() / n;
    let deviation = (rewards.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt();
    if deviation < 1e-9 {
        return Some(0.0);
    }
    Some(rewards.iter().map(|r| (r - mean).abs() / deviation).sum::<f64>() / n)
}

impl PromptSource for Bandit {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let probabilities = self.probabilities();
        let mut requests = Vec::with_capacity(n);
        for _ in 0..n {
            let mut left = draws(self.config.seed, "bandit", self.memory.draws).uniform();
            self.memory.draws += 1;
            let chosen = probabilities.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            let arm = chosen.unwrap_or(probabilities.len() - 1);
            requests.push(self.pool.request(self.arms.next(arm, &mut self.memory.served)));
        }
        Ok(requests)
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        let mut rewards = vec![(0.0, 0.0); self.categories.len()];
        for (group, scores) in groups.iter().zip(scores) {
            let at = self.pool.position(group.request.prompt.id);
            if let (Some(at), Some(reward)) = (at, mean_abs_advantage(scores)) {
                let (sum, count) = &mut rewards[self.of[at]];
                let n = scores.len() as f64;
                *sum += reward * n;
                *count += n;
            }
        }
        let alpha = self.config.alpha;
        for (value, (sum, count)) in self.memory.values.iter_mut().zip(rewards) {
            if count > 0.0 {
                *value = alpha * (sum / count) + (1.0 - alpha) * *value;
            }
        }
    }
}

impl Stateful for Bandit {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.pool.save(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let misfit = |memory: &Memory| {
            let fits = self.arms.fits(&memory.served)
                && memory.values.len() == self.categories.len()
                && memory.values.iter().all(|value| value.is_finite());
            (!fits).then_some("it was saved with other categories")
        };
        self.memory = self.pool.load("Bandit", state, misfit)?;
        Ok(())
    }
}
