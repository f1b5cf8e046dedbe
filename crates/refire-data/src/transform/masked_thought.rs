use refire_core::{Purpose, Row, Stream};
use serde::{Deserialize, Serialize};

/// How many tokens of a thought are masked, over training.
///
/// ```
/// let schedule = refire_data::MaskSchedule { rate: 0.4, warm_up: 100 };
/// assert_eq!((schedule.at(50), schedule.at(500)), (0.2, 0.4));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskSchedule {
    /// Share masked in the end, in `[0, 1]`. The paper's range is 0.2 to 0.4.
    pub rate: f64,
    /// Steps over which it rises from 0.
    pub warm_up: u64,
}

impl Default for MaskSchedule {
    fn default() -> Self {
        Self { rate: 0.4, warm_up: 0 }
    }
}

impl MaskSchedule {
    /// The share at a step.
    pub fn at(&self, step: u64) -> f64 {
        if step >= self.warm_up { self.rate } else { self.rate * step as f64 / self.warm_up as f64 }
    }
}

/// Masked thought (Chen et al., arXiv 2403.02178): input tokens of a row with each learned token
/// replaced by `mask` with probability `rate`. Targets stay the row's own tokens, the prompt (what
/// isn't learned) stays as it is, and so does the last token, which is no input to anything.
///
/// The draws are keyed by (seed, visit, the row's id): each epoch masks anew.
///
/// ```
/// use refire_core::Row;
/// let row = Row { tokens: vec![5, 6, 7, 8], loss_mask: vec![false, true, true, true], ..Row::default() };
/// assert_eq!(refire_data::mask_thought(&row, 0, 1.0, 0, 0), [5, 0, 0, 8]);
/// ```
pub fn mask_thought(row: &Row, mask: u32, rate: f64, seed: u64, visit: u64) -> Vec<u32> {
    let mut draw = Stream::new(seed, Purpose::named("masked thought"), visit, row.id, 0);
    let last = row.tokens.len().saturating_sub(1);
    let tokens = row.tokens.iter().zip(&row.loss_mask).enumerate();
    tokens
        .map(|(at, (token, learned))| {
            let hidden = draw.uniform() < rate;
            if hidden && *learned && at < last { mask } else { *token }
        })
        .collect()
}
