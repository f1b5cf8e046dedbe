use crate::Success;
use refire_core::{BoxError, Group, GroupFilter, Score, Stateful, decode_state, encode_state};
use serde::{Deserialize, Serialize};

/// Groups by what their answers were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCounts {
    /// All right.
    pub solved: u64,
    /// All wrong.
    pub failed: u64,
    /// Right and wrong.
    pub mixed: u64,
    /// Nothing could be judged.
    pub unjudged: u64,
}

/// DAPO's dynamic sampling (arXiv 2503.14476), with its books: keeps a group if some of its answers
/// are right and some wrong, by accuracy and not by a shaped total, and knows how many prompts to
/// ask for so that a full batch is left.
///
/// ```
/// use refire_core::{Group, GroupFilter, Request, Score};
/// use refire_data::{DynamicSampling, Success};
/// let mut filter = DynamicSampling::new(Success::default());
/// let group = Group { request: Request::default(), completions: Vec::new() };
/// assert!(!filter.keep(&group, &[Score::value(1.0), Score::value(1.0)])?);
/// assert!(filter.keep(&group, &[Score::value(1.0), Score::value(0.0)])?);
/// assert_eq!(filter.to_ask(8), 16);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DynamicSampling {
    success: Success,
    memory: Memory,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    counts: GroupCounts,
    /// Running share of groups that were kept, `None` before the first.
    kept: Option<f64>,
}

/// Weight of the newest group in the running share.
const STEP: f64 = 0.02;

impl DynamicSampling {
    /// A filter that has seen nothing.
    pub fn new(success: Success) -> Self {
        Self { success, memory: Memory::default() }
    }

    /// Groups seen so far.
    pub fn counts(&self) -> GroupCounts {
        self.memory.counts
    }

    /// Prompts to ask for when `n` groups are wanted, by the share kept lately; at most `8 n`.
    pub fn to_ask(&self, n: usize) -> usize {
        let share = self.memory.kept.unwrap_or(1.0).max(0.125);
        (n as f64 / share).ceil() as usize
    }

    /// Running share of groups kept.
    fn update(&mut self, kept: bool) {
        let GroupCounts { solved, failed, mixed, unjudged } = self.memory.counts;
        let seen = (solved + failed + mixed + unjudged) as f64;
        // A plain mean at first, an exponential one later.
        let step = STEP.max(1.0 / seen);
        let old = self.memory.kept.unwrap_or(0.0);
        self.memory.kept = Some(old + step * (f64::from(u8::from(kept)) - old));
    }
}

impl GroupFilter for DynamicSampling {
    fn name(&self) -> &str {
        "dynamic_sampling"
    }

    fn keep(&mut self, _group: &Group, scores: &[Score]) -> Result<bool, BoxError> {
        let rate = self.success.rate(scores);
        let counts = &mut self.memory.counts;
        let bin = match (rate.judged, rate.correct) {
            (0, _) => &mut counts.unjudged,
            (_, 0) => &mut counts.failed,
            (judged, correct) if judged == correct => &mut counts.solved,
            _ => &mut counts.mixed,
        };
        *bin += 1;
        self.update(rate.is_mixed());
        Ok(rate.is_mixed())
    }
}

impl Stateful for DynamicSampling {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.memory = decode_state("DynamicSampling", state)?;
        Ok(())
    }
}
