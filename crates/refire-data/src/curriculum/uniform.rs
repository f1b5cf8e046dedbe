use super::Pool;
use super::arms::{Arms, Served};
use refire_core::{BoxError, PromptSource, Request, Stateful};

/// Shuffled passes over all prompts: the plain source that curricula are measured against.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{Pool, UniformPrompts};
/// let prompts = (0..3).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let mut source = UniformPrompts::new(Pool::new(prompts, 8, SamplingParams::default())?, 0);
/// assert_eq!(source.next(4)?[3].visit, 1);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct UniformPrompts {
    pool: Pool,
    arms: Arms,
    served: Served,
}

impl UniformPrompts {
    /// Passes over a pool.
    pub fn new(pool: Pool, seed: u64) -> Self {
        let arms = Arms::new(vec![(0..pool.len()).collect()], seed);
        let served = arms.served();
        Self { pool, arms, served }
    }
}

impl PromptSource for UniformPrompts {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let (arms, served, pool) = (&self.arms, &mut self.served, &mut self.pool);
        Ok((0..n).map(|_| pool.request(arms.next(0, served))).collect())
    }
}

impl Stateful for UniformPrompts {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.pool.save(&self.served)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let misfit =
            |served: &Served| (!self.arms.fits(served)).then_some("it counts other passes");
        self.served = self.pool.load("UniformPrompts", state, misfit)?;
        Ok(())
    }
}
