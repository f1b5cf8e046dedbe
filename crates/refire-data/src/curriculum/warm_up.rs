use refire_core::{
    BoxError, Group, PromptSource, Request, Score, Stateful, decode_state, encode_state,
};

/// WSRL's warm-up (Zhou et al., arXiv 2412.07762): the first `requests` carry
/// `meta["warm_up"] = true`. Their rollouts, by the policy as it starts, fill a replay buffer and
/// set a critic right before the first update; offline data isn't kept. In `refire-train` the policy
/// isn't updated for the first `critic.warmup_steps` steps: as many as it takes to serve these.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{Pool, UniformPrompts, WarmUpRollouts};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let mut source = WarmUpRollouts::new(UniformPrompts::new(pool, 0), 3);
/// assert_eq!(source.next(8)?.len(), 3, "a batch is all warm-up or none");
/// assert_eq!(source.next(8)?.len(), 8);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WarmUpRollouts<S> {
    inner: S,
    requests: u64,
    served: u64,
}

impl<S: PromptSource> WarmUpRollouts<S> {
    /// Marks the first requests of a source.
    pub fn new(inner: S, requests: u64) -> Self {
        Self { inner, requests, served: 0 }
    }

    /// True while the requests to come are marked.
    pub fn is_warming(&self) -> bool {
        self.served < self.requests
    }

    /// Whether a request belongs to the warm-up.
    pub fn is_marked(request: &Request) -> bool {
        request.prompt.meta.get("warm_up").and_then(serde_json::Value::as_bool) == Some(true)
    }
}

impl<S: PromptSource> PromptSource for WarmUpRollouts<S> {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        // A batch is all warm-up or none, so that a trainer can skip its update.
        let left = self.requests.saturating_sub(self.served);
        let n = if left > 0 { n.min(usize::try_from(left).unwrap_or(n)) } else { n };
        let mut requests = self.inner.next(n)?;
        if left > 0 {
            for request in &mut requests {
                request.prompt.meta.insert("warm_up".to_owned(), true.into());
            }
        }
        self.served += requests.len() as u64;
        Ok(requests)
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        self.inner.observe(groups, scores);
    }
}

impl<S: PromptSource> Stateful for WarmUpRollouts<S> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&(self.inner.state()?, self.served))
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (inner, served): (Vec<u8>, u64) = decode_state("WarmUpRollouts", state)?;
        self.inner.restore(&inner)?;
        self.served = served;
        Ok(())
    }
}
