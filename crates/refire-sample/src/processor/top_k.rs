use super::{LogitsProcessor, TokenContext};

/// Keeps the k largest logits, as in transformers' `TopKLogitsWarper`: ties with the k-th stay.
///
/// ```
/// use refire_sample::{LogitsProcessor, TokenContext, TopK};
/// let mut logits = [1.0, 3.0, 2.0, 2.0, 0.0];
/// let context = TokenContext { prompt: &[], output: &[] };
/// TopK::new(2).process(&context, &mut logits);
/// let none = f32::NEG_INFINITY;
/// assert_eq!(logits, [none, 3.0, 2.0, 2.0, none]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TopK {
    k: usize,
    largest: Vec<f32>,
}

impl TopK {
    /// Keeps the `k` largest; at least one.
    pub fn new(k: usize) -> Self {
        Self { k: k.max(1), largest: Vec::new() }
    }

    /// Keeps at least `n` tokens.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.k = self.k.max(n);
        self
    }
}

impl LogitsProcessor for TopK {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32]) {
        if self.k < logits.len() {
            let kth = kth_largest(logits, self.k, &mut self.largest);
            logits.iter_mut().filter(|x| **x < kth).for_each(|x| *x = f32::NEG_INFINITY);
        }
    }
}

/// The k-th largest value in one pass, with memory for `2 k` values.
fn kth_largest(values: &[f32], k: usize, largest: &mut Vec<f32>) -> f32 {
    let shrink = |largest: &mut Vec<f32>| {
        let (_, kth, _) = largest.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        let kth = *kth;
        largest.truncate(k);
        kth
    };
    largest.clear();
    let mut floor = f32::NEG_INFINITY;
    for value in values {
        if *value > floor || largest.len() < k {
            largest.push(*value);
            if largest.len() == 2 * k {
                floor = shrink(largest);
            }
        }
    }
    shrink(largest)
}
