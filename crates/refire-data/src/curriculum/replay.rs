use super::pool::draws;
use crate::{DataError, Success};
use refire_core::{BatchSource, BoxError, Group, Score, Stateful, decode_state, encode_state};
use serde::{Deserialize, Serialize};

/// Replay of rollouts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayConfig {
    /// Groups held; the oldest goes first. 512, as DOTS.
    pub capacity: usize,
    /// Most weight versions between sampling and use.
    pub max_staleness: u64,
    /// Most uses of a group; 0 sets no limit.
    pub max_uses: u32,
    /// What a use takes off the priority `version - decay * uses` (Trinity's, 2.0); `None` draws
    /// uniformly, as DOTS.
    pub decay: Option<f64>,
    /// Keep groups of right and wrong answers only: others bear no gradient.
    pub mixed_only: bool,
    /// What a success is.
    pub success: Success,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            capacity: 512,
            max_staleness: 8,
            max_uses: 3,
            decay: None,
            mixed_only: true,
            success: Success::default(),
            seed: 0,
        }
    }
}

/// A group with its scores, as it was sampled. Behaviour log-probabilities stand in its completions,
/// so that an importance ratio can be taken against what really drew them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replayed {
    /// The whole group.
    pub group: Group,
    /// One score a completion.
    pub scores: Vec<Score>,
    /// Version of the weights that sampled it.
    pub version: u64,
    /// How often it was used.
    pub uses: u32,
}

/// A buffer of rollouts, first in, first out; one group a prompt, the newest.
///
/// ```
/// use refire_core::{Group, Request, Score};
/// use refire_data::{ReplayBuffer, ReplayConfig};
/// let mut buffer = ReplayBuffer::new(ReplayConfig::default())?;
/// let group = Group { request: Request::default(), completions: Vec::new() };
/// assert!(buffer.push(group, vec![Score::value(1.0), Score::value(0.0)], 3));
/// assert_eq!(buffer.sample(4, 5).len(), 1);
/// assert!(buffer.sample(4, 50).is_empty(), "too old");
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReplayBuffer {
    config: ReplayConfig,
    memory: Memory,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    groups: Vec<Replayed>,
    draws: u64,
    /// Newest version seen among rollouts.
    version: u64,
    /// Rollouts that were shown and not yet put in.
    shown: Vec<(Group, Vec<Score>)>,
}

impl ReplayBuffer {
    /// An empty buffer.
    ///
    /// # Errors
    /// For a capacity of 0.
    pub fn new(config: ReplayConfig) -> Result<Self, DataError> {
        if config.capacity == 0 {
            return Err(DataError::out_of_range("capacity", 0, "at least 1"));
        }
        Ok(Self { config, memory: Memory::default() })
    }

    /// Puts a group in; false if it isn't worth keeping.
    pub fn push(&mut self, group: Group, scores: Vec<Score>, version: u64) -> bool {
        if self.config.mixed_only && !self.config.success.rate(&scores).is_mixed() {
            return false;
        }
        let id = group.request.prompt.id;
        self.memory.groups.retain(|known| known.group.request.prompt.id != id);
        self.memory.groups.push(Replayed { group, scores, version, uses: 0 });
        let extra = self.memory.groups.len().saturating_sub(self.config.capacity);
        self.memory.groups.drain(..extra);
        true
    }

    /// Up to `n` different groups for weights of a version; those too old or used up leave the
    /// buffer.
    pub fn sample(&mut self, n: usize, version: u64) -> Vec<Replayed> {
        let ReplayConfig { max_staleness, max_uses, decay, seed, .. } = self.config;
        self.memory.groups.retain(|known| {
            version.saturating_sub(known.version) <= max_staleness
                && (max_uses == 0 || known.uses < max_uses)
        });
        let mut order: Vec<usize> = (0..self.memory.groups.len()).collect();
        let mut stream = draws(seed, "replay", self.memory.draws);
        self.memory.draws += 1;
        stream.shuffle(&mut order);
        if let Some(decay) = decay {
            let groups = &self.memory.groups;
            let priority =
                |at: &usize| groups[*at].version as f64 - decay * f64::from(groups[*at].uses);
            order.sort_by(|a, b| priority(b).total_cmp(&priority(a)));
        }
        order.truncate(n);
        let taken = order.into_iter().map(|at| {
            self.memory.groups[at].uses += 1;
            self.memory.groups[at].clone()
        });
        taken.collect()
    }

    /// Groups held.
    pub fn len(&self) -> usize {
        self.memory.groups.len()
    }

    /// True without a group.
    pub fn is_empty(&self) -> bool {
        self.memory.groups.is_empty()
    }
}

impl Stateful for ReplayBuffer {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.memory = decode_state("ReplayBuffer", state)?;
        Ok(())
    }
}

/// Rollouts that were shown go in, and come out again in later steps: those of the step itself are
/// put in once it has been served.
impl BatchSource for ReplayBuffer {
    fn next(&mut self, n: usize) -> Result<Vec<(Group, Vec<Score>)>, BoxError> {
        let version = self.memory.version;
        let taken = self.sample(n, version).into_iter().map(|known| (known.group, known.scores));
        let taken = taken.collect();
        for (group, scores) in std::mem::take(&mut self.memory.shown) {
            let made = version_of(&group).unwrap_or(version);
            self.push(group, scores, made);
        }
        Ok(taken)
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        let newest = groups.iter().filter_map(version_of).max();
        self.memory.version = newest.unwrap_or_default().max(self.memory.version);
        self.memory.shown = groups.iter().cloned().zip(scores.iter().cloned()).collect();
    }
}

/// Oldest weights that took part in a group.
fn version_of(group: &Group) -> Option<u64> {
    let versions = group.completions.iter().flat_map(|completion| &completion.versions);
    versions.min().map(|version| u64::from(*version))
}
