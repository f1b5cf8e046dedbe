use crate::{DataError, Success};
use refire_core::{
    BoxError, Group, PromptSource, Request, Score, Stateful, decode_state, encode_state,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Tiers of tests, by difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The plainest inputs.
    Basic,
    /// Usual inputs.
    Medium,
    /// Large or intricate inputs.
    High,
    /// Corner cases.
    Edge,
}

impl Tier {
    /// Every tier, easiest first.
    pub const ALL: [Self; 4] = [Self::Basic, Self::Medium, Self::High, Self::Edge];
}

/// Weights of the tiers; 0.15, 0.15, 0.35, 0.35.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TierWeights {
    /// Of [`Tier::Basic`].
    pub basic: f64,
    /// Of [`Tier::Medium`].
    pub medium: f64,
    /// Of [`Tier::High`].
    pub high: f64,
    /// Of [`Tier::Edge`].
    pub edge: f64,
}

impl Default for TierWeights {
    fn default() -> Self {
        Self { basic: 0.15, medium: 0.15, high: 0.35, edge: 0.35 }
    }
}

impl TierWeights {
    /// The weight of one tier.
    pub fn of(&self, tier: Tier) -> f64 {
        match tier {
            Tier::Basic => self.basic,
            Tier::Medium => self.medium,
            Tier::High => self.high,
            Tier::Edge => self.edge,
        }
    }

    /// Reward of passed tests, in `[0, 1]`: for each active tier its weight times the share of its
    /// tests that passed, divided by the weights of the active tiers that have tests. TAROT's code
    /// doesn't divide, so that its first phase can't reach more than 0.15. `None` when no active
    /// tier has a test.
    ///
    /// ```
    /// use refire_data::{Tier, TierWeights};
    /// let tests = [(Tier::Basic, true), (Tier::Medium, false), (Tier::Edge, false)];
    /// let reward = TierWeights::default().reward(&tests, &[Tier::Basic, Tier::Medium]);
    /// assert_eq!(reward, Some(0.5));
    /// ```
    pub fn reward(&self, tests: &[(Tier, bool)], active: &[Tier]) -> Option<f64> {
        let (mut sum, mut all) = (0.0, 0.0);
        for tier in active {
            let of: Vec<bool> = tests.iter().filter(|(t, _)| t == tier).map(|(_, p)| *p).collect();
            if !of.is_empty() {
                let passed = of.iter().filter(|passed| **passed).count();
                sum += self.of(*tier) * passed as f64 / of.len() as f64;
                all += self.of(*tier);
            }
        }
        (all > 0.0).then(|| sum / all)
    }
}

/// In which order tiers become active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Basic; then medium; then high; then all. For weak models.
    EasyFirst,
    /// High; then edge; then medium; then all. For strong models.
    HardFirst,
    /// All, all the time.
    Uniform,
    /// Chosen by the pass rate of the first requests: see [`Tarot`].
    #[default]
    Portfolio,
}

impl Schedule {
    /// Active tiers at a point of training, `fraction` in `[0, 1]`; the phases change at 0.2, 0.4
    /// and 0.6.
    ///
    /// ```
    /// use refire_data::{Schedule, Tier};
    /// assert_eq!(Schedule::EasyFirst.active(0.3), [Tier::Basic, Tier::Medium]);
    /// assert_eq!(Schedule::HardFirst.active(0.0), [Tier::High]);
    /// ```
    pub fn active(self, fraction: f64) -> Vec<Tier> {
        let phase = [0.2, 0.4, 0.6].iter().filter(|end| fraction >= **end).count();
        use Tier::{Basic, Edge, High, Medium};
        match (self, phase) {
            (Self::EasyFirst, 0) => vec![Basic],
            (Self::EasyFirst, 1) => vec![Basic, Medium],
            (Self::EasyFirst, 2) => vec![Basic, Medium, High],
            (Self::HardFirst, 0) => vec![High],
            (Self::HardFirst, 1) => vec![High, Edge],
            (Self::HardFirst, 2) => vec![Medium, High, Edge],
            _ => Tier::ALL.to_vec(),
        }
    }
}

/// TAROT: a source whose prompts carry the active tiers of tests in `meta["tarot"]`, as
/// `{"tiers": [...], "weights": {...}}`; the reward that runs the tests reads them.
///
/// The portfolio measures the policy on its first `probe` groups with all tiers active, and then
/// goes easy first below the pass rate `strong` and hard first above: weak models gain from easy
/// tests, strong ones waste time on them.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{Pool, Schedule, Success, Tarot, TierWeights, UniformPrompts};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let inner = UniformPrompts::new(pool, 0);
/// let (schedule, weights) = (Schedule::EasyFirst, TierWeights::default());
/// let mut source = Tarot::new(inner, schedule, weights, 100, Success::default())?;
/// let request = &source.next(1)?[0];
/// assert_eq!(request.prompt.meta["tarot"]["tiers"][0], "basic");
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tarot<S> {
    inner: S,
    schedule: Schedule,
    weights: TierWeights,
    total: u64,
    probe: u64,
    strong: f64,
    success: Success,
    memory: Memory,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    served: u64,
    rates: f64,
    probed: u64,
    chosen: Option<Schedule>,
}

impl<S: PromptSource> Tarot<S> {
    /// Wraps a source for a run of `total` requests; the portfolio probes a twentieth of them, and
    /// takes a pass rate of 0.5 for strong.
    ///
    /// # Errors
    /// For a run of no request.
    pub fn new(
        inner: S,
        schedule: Schedule,
        weights: TierWeights,
        total: u64,
        success: Success,
    ) -> Result<Self, DataError> {
        if total == 0 {
            return Err(DataError::out_of_range("total", total, "at least 1"));
        }
        let (probe, memory) = ((total / 20).max(1), Memory::default());
        Ok(Self { inner, schedule, weights, total, probe, strong: 0.5, success, memory })
    }

    /// Sets what the portfolio probes, and the pass rate from which a policy is strong.
    pub fn with_portfolio(mut self, probe: u64, strong: f64) -> Self {
        (self.probe, self.strong) = (probe, strong);
        self
    }

    /// The schedule in force; `None` while the portfolio probes.
    pub fn schedule(&self) -> Option<Schedule> {
        match self.schedule {
            Schedule::Portfolio => self.memory.chosen,
            fixed => Some(fixed),
        }
    }
}

impl<S: PromptSource> PromptSource for Tarot<S> {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let mut requests = self.inner.next(n)?;
        for request in &mut requests {
            let fraction = self.memory.served as f64 / self.total as f64;
            let tiers = self.schedule().unwrap_or(Schedule::Uniform).active(fraction);
            let value = json!({ "tiers": tiers, "weights": self.weights });
            request.prompt.meta.insert("tarot".to_owned(), value);
            self.memory.served += 1;
        }
        Ok(requests)
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        self.inner.observe(groups, scores);
        if self.schedule != Schedule::Portfolio || self.memory.chosen.is_some() {
            return;
        }
        for rate in scores.iter().filter_map(|scores| self.success.rate(scores).mean()) {
            self.memory.rates += rate;
            self.memory.probed += 1;
        }
        if self.memory.probed >= self.probe {
            let strong = self.memory.rates / self.memory.probed as f64 >= self.strong;
            let chosen = if strong { Schedule::HardFirst } else { Schedule::EasyFirst };
            self.memory.chosen = Some(chosen);
        }
    }
}

impl<S: PromptSource> Stateful for Tarot<S> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&(self.inner.state()?, &self.memory))
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (inner, memory): (Vec<u8>, Memory) = decode_state("Tarot", state)?;
        self.inner.restore(&inner)?;
        self.memory = memory;
        Ok(())
    }
}
