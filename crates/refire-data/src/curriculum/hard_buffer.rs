use crate::Success;
use refire_core::{
    BoxError, Group, Prompt, PromptSource, Request, Score, Stateful, decode_state, encode_state,
};
use serde::{Deserialize, Serialize};

/// ReLIFT (Ma et al., arXiv 2506.07527): a source that sets aside the prompts none of whose answers
/// were right. When enough have gathered, they are taken for a supervised step on demonstrations,
/// and what is left over waits for the next.
///
/// A prompt waits once, however often it failed. The buffer is part of the saved state.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{HardBuffer, Pool, Success, UniformPrompts};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let mut source = HardBuffer::new(UniformPrompts::new(pool, 0), 1, Success::default());
/// let request = source.next(1)?.remove(0);
/// let group = refire_core::Group { request, completions: Vec::new() };
/// source.observe(&[group], &[vec![refire_core::Score::value(0.0)]]);
/// assert_eq!(source.take().unwrap().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct HardBuffer<S> {
    inner: S,
    size: usize,
    success: Success,
    memory: Memory,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    waiting: Vec<Prompt>,
    /// Prompts that ever went in.
    gathered: u64,
}

impl<S: PromptSource> HardBuffer<S> {
    /// Wraps a source; `size` prompts make a supervised batch.
    pub fn new(inner: S, size: usize, success: Success) -> Self {
        Self { inner, size: size.max(1), success, memory: Memory::default() }
    }

    /// A batch for supervised training, the oldest first; `None` until there are enough.
    pub fn take(&mut self) -> Option<Vec<Prompt>> {
        let enough = self.memory.waiting.len() >= self.size;
        enough.then(|| self.memory.waiting.drain(..self.size).collect())
    }

    /// Prompts waiting.
    pub fn waiting(&self) -> &[Prompt] {
        &self.memory.waiting
    }

    /// Prompts that ever went in.
    pub fn gathered(&self) -> u64 {
        self.memory.gathered
    }

    /// The source within.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: PromptSource> PromptSource for HardBuffer<S> {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        self.inner.next(n)
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        for (group, scores) in groups.iter().zip(scores) {
            let rate = self.success.rate(scores);
            let prompt = &group.request.prompt;
            let known = self.memory.waiting.iter().any(|waiting| waiting.id == prompt.id);
            if rate.judged > 0 && rate.correct == 0 && !known {
                self.memory.waiting.push(prompt.clone());
                self.memory.gathered += 1;
            }
        }
        self.inner.observe(groups, scores);
    }
}

impl<S: PromptSource> Stateful for HardBuffer<S> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&(self.inner.state()?, &self.memory))
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let (inner, memory): (Vec<u8>, Memory) = decode_state("HardBuffer", state)?;
        self.inner.restore(&inner)?;
        self.memory = memory;
        Ok(())
    }
}
