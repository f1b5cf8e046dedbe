use crate::{Completion, Prompt, SamplingParams};
use serde::{Deserialize, Serialize};

/// Asks an engine for `n` completions of one prompt.
///
/// The draw of a token is keyed by (`params.seed`, purpose, `visit`, `prompt.id`, sample index,
/// position) and by nothing else: not by the batch, its order or the number of threads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Identity of the request within a call, for events and cancellation.
    pub id: u64,
    /// What is asked.
    pub prompt: Prompt,
    /// Completions wanted: the group size.
    pub n: usize,
    /// How often the source has served this prompt before; otherwise every epoch repeats its draws.
    pub visit: u64,
    /// Index of the first sample among its siblings: 0, unless a single completion of a group is
    /// drawn or resumed by itself.
    #[serde(default)]
    pub first_sample: usize,
    /// How to draw.
    pub params: SamplingParams,
    /// A partial completion to go on from, possibly drawn under older weights. Several completions
    /// can begin from it only if no policy drew any of it, see
    /// [`Completion::prefill`].
    #[serde(default)]
    pub resume: Option<Completion>,
}
