/// Totals over one whole optimiser step, over all its micro-batches.
///
/// Dividing by these instead of by a micro-batch's own counts is what makes the gradient
/// independent of how a step is split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts {
    /// Tokens with mask 1.
    pub tokens: f64,
    /// Rows, empty ones included.
    pub rows: f64,
    /// Rows with at least one token.
    pub nonempty_rows: f64,
    /// Micro-batches the step is split into; only local aggregation reads it.
    pub micro_batches: f64,
}

impl Counts {
    /// Counts over the rows of a step, given their masks.
    ///
    /// ```
    /// use refire_objective::Counts;
    /// let counts = Counts::of([[true, false], [false, false]], 1);
    /// assert_eq!((counts.tokens, counts.rows, counts.nonempty_rows), (1.0, 2.0, 1.0));
    /// ```
    pub fn of<M: AsRef<[bool]>>(masks: impl IntoIterator<Item = M>, micro_batches: usize) -> Self {
        let start = Self {
            tokens: 0.0,
            rows: 0.0,
            nonempty_rows: 0.0,
            micro_batches: micro_batches.max(1) as f64,
        };
        masks.into_iter().fold(start, |mut counts, mask| {
            let tokens = mask.as_ref().iter().filter(|m| **m).count() as f64;
            counts.tokens += tokens;
            counts.rows += 1.0;
            counts.nonempty_rows += f64::from(tokens > 0.0);
            counts
        })
    }
}
