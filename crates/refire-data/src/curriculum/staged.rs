use super::Pool;
use super::arms::{Arms, Served};
use crate::{DataError, Success};
use refire_core::{BoxError, Group, PromptSource, Request, Score, Stateful};
use serde::{Deserialize, Serialize};

/// When a stage ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Until {
    /// After so many requests.
    Requests {
        /// Requests.
        count: u64,
    },
    /// When the mean pass rate of the last `over` groups reaches `at_least`.
    PassRate {
        /// The pass rate, in `[0, 1]`.
        at_least: f64,
        /// Groups it is taken over.
        over: usize,
    },
}

/// A stage of a curriculum: which prompts, and for how long. The last one never ends.
#[derive(Debug, Clone, PartialEq)]
pub struct CurriculumStage {
    /// Ids of its prompts.
    pub prompts: Vec<u64>,
    /// When it ends.
    pub until: Until,
}

impl CurriculumStage {
    /// Stages by a number in the prompts' `meta` (a difficulty): one for each range
    /// `low..=high`.
    pub fn by_meta(pool: &Pool, key: &str, ranges: &[(f64, f64)], until: Until) -> Vec<Self> {
        let within = |low: f64, high: f64| {
            let value = |prompt: &&refire_core::Prompt| {
                let value = prompt.meta.get(key).and_then(serde_json::Value::as_f64);
                value.is_some_and(|value| (low..=high).contains(&value))
            };
            pool.prompts().iter().filter(value).map(|prompt| prompt.id).collect()
        };
        ranges.iter().map(|(low, high)| Self { prompts: within(*low, *high), until }).collect()
    }
}

/// A curriculum in stages, each in shuffled passes over its own prompts (Light-R1 and Graph-R1 go
/// from easy to hard so). A pass rate is taken over answers to the stage's own requests: those of an
/// earlier stage that come late don't count.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{CurriculumStage, Pool, Staged, Success, Until};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let stage = |prompts| CurriculumStage { prompts, until: Until::Requests { count: 2 } };
/// let stages = vec![stage(vec![0, 1]), stage(vec![2, 3, 4, 5])];
/// let mut source = Staged::new(pool, stages, Success::default(), 0)?;
/// assert!(source.next(2)?.iter().all(|request| request.prompt.id < 2));
/// assert!(source.next(4)?.iter().all(|request| request.prompt.id >= 2));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Staged {
    pool: Pool,
    untils: Vec<Until>,
    arms: Arms,
    success: Success,
    memory: Memory,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memory {
    stage: usize,
    served: Served,
    /// Pass rates of the stage's last groups, oldest first.
    recent: Vec<f64>,
    /// Visits of each prompt when the stage began: an answer to an earlier visit comes late, and
    /// says nothing of this stage.
    before: Vec<u64>,
}

impl Staged {
    /// Stages over a pool.
    ///
    /// # Errors
    /// Without a stage, for a stage without prompts, and for ids the pool doesn't have.
    pub fn new(
        pool: Pool,
        stages: Vec<CurriculumStage>,
        success: Success,
        seed: u64,
    ) -> Result<Self, DataError> {
        if stages.is_empty() || stages.iter().any(|stage| stage.prompts.is_empty()) {
            return Err(DataError::Empty { what: "prompts of a stage" });
        }
        let mut members = Vec::new();
        for stage in &stages {
            let position = |id: &u64| {
                let missing =
                    || DataError::out_of_range("prompts", id, "ids of prompts in the pool");
                pool.position(*id).ok_or_else(missing)
            };
            members.push(stage.prompts.iter().map(position).collect::<Result<Vec<_>, _>>()?);
        }
        let arms = Arms::new(members, seed);
        let (recent, before) = (Vec::new(), pool.visits().to_vec());
        let memory = Memory { stage: 0, served: arms.served(), recent, before };
        let untils = stages.into_iter().map(|stage| stage.until).collect();
        Ok(Self { pool, untils, arms, success, memory })
    }

    /// Index of the stage it is in.
    pub fn stage(&self) -> usize {
        self.memory.stage
    }

    fn advance(&mut self) {
        let Memory { stage, served, recent, before } = &mut self.memory;
        if *stage + 1 == self.untils.len() {
            return;
        }
        let done = match self.untils[*stage] {
            Until::Requests { count } => self.arms.count(*stage, served) >= count,
            Until::PassRate { at_least, over } => {
                let mean = recent.iter().sum::<f64>() / recent.len().max(1) as f64;
                recent.len() >= over.max(1) && mean >= at_least
            }
        };
        if done {
            *stage += 1;
            recent.clear();
            *before = self.pool.visits().to_vec();
        }
    }
}

impl PromptSource for Staged {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let mut requests = Vec::with_capacity(n);
        for _ in 0..n {
            self.advance();
            let at = self.arms.next(self.memory.stage, &mut self.memory.served);
            requests.push(self.pool.request(at));
        }
        Ok(requests)
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        let Until::PassRate { over, .. } = self.untils[self.memory.stage] else { return };
        let of_stage = |group: &Group| {
            let at = self.pool.position(group.request.prompt.id);
            at.is_some_and(|at| group.request.visit >= self.memory.before[at])
        };
        let own = groups.iter().zip(scores).filter(|(group, _)| of_stage(group));
        let rates = own.filter_map(|(_, scores)| self.success.rate(scores).mean());
        let rates: Vec<f64> = rates.collect();
        self.memory.recent.extend(rates);
        let extra = self.memory.recent.len().saturating_sub(over.max(1));
        self.memory.recent.drain(..extra);
    }
}

impl Stateful for Staged {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.pool.save(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (prompts, stages) = (self.pool.len(), self.untils.len());
        let misfit = |memory: &Memory| {
            let fits = self.arms.fits(&memory.served)
                && memory.stage < stages
                && memory.before.len() == prompts;
            (!fits).then_some("it was saved with other stages")
        };
        self.memory = self.pool.load("Staged", state, misfit)?;
        Ok(())
    }
}
