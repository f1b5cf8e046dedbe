use super::{History, LogitsProcessor, Scratch, TokenContext};
use refire_core::Dry;

/// Largest exponent of e below `f32::MAX`; bounds the penalty as in llama.cpp.
const LOG_MAX: f32 = 88.722_84;

/// Punishes tokens that would prolong a repetition (DRY, in the form of llama.cpp).
///
/// For every earlier token `t` let `m` be the number of tokens before it that equal those at the
/// end, counted back from the end and at most to the last sequence breaker. A token loses
/// `multiplier * base^(m - allowed_length)` for the largest such `m >= allowed_length`. Breakers
/// themselves are not punished. The work is linear in the number of tokens (Z-function of the
/// reversed sequence).
///
/// ```
/// use refire_core::Dry;
/// use refire_sample::{DryPenalty, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [0.0, 0.0, 0.0, 0.0];
/// let context = TokenContext::new(&[1, 2, 3, 0], &[1, 2]);
/// let dry = Dry { multiplier: 1.0, base: 2.0, allowed_length: 1, ..Dry::default() };
/// DryPenalty::new(dry).process(&context, &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [0.0, 0.0, 0.0, -2.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DryPenalty {
    dry: Dry,
}

impl DryPenalty {
    /// Punishes as `dry` says.
    pub fn new(mut dry: Dry) -> Self {
        dry.breakers.sort_unstable();
        Self { dry }
    }

    fn is_breaker(&self, token: u32) -> bool {
        self.dry.breakers.binary_search(&token).is_ok()
    }

    fn penalty(&self, length: usize) -> f32 {
        let dry = &self.dry;
        let most = if dry.base > 1.000_001 { LOG_MAX / dry.base.ln() } else { f32::MAX };
        let exponent = ((length - dry.allowed_length) as f32).min(most.floor());
        dry.multiplier * dry.base.powf(exponent)
    }
}

impl LogitsProcessor for DryPenalty {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let window = History::ALL.last(self.dry.last_n.unwrap_or(usize::MAX));
        let [prompt, output] = window.tokens(context);
        let n = prompt.len() + output.len();
        // Backwards from the end.
        let at = |i: usize| match output.len().checked_sub(i + 1) {
            Some(at) => output[at],
            None => prompt[n - i - 1],
        };
        let limit = (0..n).find(|i| self.is_breaker(at(*i))).unwrap_or(n);
        if n <= self.dry.allowed_length || limit < self.dry.allowed_length {
            return;
        }
        if scratch.counts.len() < logits.len() {
            scratch.counts.resize(logits.len(), 0);
        }
        let (z, longest) = (&mut scratch.places, &mut scratch.counts);
        z_function(n, at, z);
        let repeated = || {
            let lengths = z.iter().enumerate().skip(1).map(|(i, m)| (i, (*m).min(limit)));
            lengths.filter(|(_, m)| *m >= self.dry.allowed_length)
        };
        for (i, m) in repeated() {
            if let Some(longest) = longest.get_mut(at(i - 1) as usize) {
                *longest = (*longest).max(m as u32);
            }
        }
        for (i, _) in repeated() {
            let token = at(i - 1);
            let Some(m) = longest.get_mut(token as usize).map(std::mem::take) else { continue };
            if m > 0 && !self.is_breaker(token) {
                logits[token as usize] -= self.penalty(m as usize);
            }
        }
    }
}

/// `z[i]`: length of the longest common beginning of the sequence and of its rest from `i`.
fn z_function(n: usize, at: impl Fn(usize) -> u32, z: &mut Vec<usize>) {
    z.clear();
    z.resize(n, 0);
    let (mut left, mut right) = (0, 0);
    for i in 1..n {
        let mut m = if i < right { z[i - left].min(right - i) } else { 0 };
        while i + m < n && at(m) == at(i + m) {
            m += 1;
        }
        z[i] = m;
        if i + m > right {
            (left, right) = (i, i + m);
        }
    }
}
