use super::{LogitsProcessor, Scratch, TokenContext};

/// Keeps logits within n standard deviations of the largest (Tang et al. 2024), as in llama.cpp.
///
/// The deviation is that of the logits which aren't forbidden (divided by their number). The choice
/// doesn't depend on the temperature.
///
/// ```
/// use refire_sample::{LogitsProcessor, Scratch, TokenContext, TopNSigma};
/// let mut logits = [4.0, 3.5, 0.0, 0.0];
/// TopNSigma::new(1.0).process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [4.0, 3.5, f32::NEG_INFINITY, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopNSigma {
    n: f64,
}

impl TopNSigma {
    /// Keeps within `n` deviations, above 0.
    pub fn new(n: f32) -> Self {
        Self { n: f64::from(n) }
    }
}

impl LogitsProcessor for TopNSigma {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let live = || logits.iter().filter(|x| x.is_finite()).map(|x| f64::from(*x));
        let count = live().count() as f64;
        let max = live().fold(f64::NEG_INFINITY, f64::max);
        let mean = live().sum::<f64>() / count;
        let deviation = (live().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        let bound = max - self.n * deviation;
        let goes = |x: &&mut f32| f64::from(**x) < bound;
        logits.iter_mut().filter(goes).for_each(|x| *x = f32::NEG_INFINITY);
    }
}
