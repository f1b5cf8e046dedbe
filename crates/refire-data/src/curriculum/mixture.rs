use crate::DataError;
use refire_core::{
    BoxError, CoreError, Group, PromptSource, Request, Score, Stateful, decode_state, encode_state,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What happens when a source of a mixture has nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exhausted {
    /// The others go on in their proportions.
    #[default]
    GoOn,
    /// The mixture ends.
    Stop,
}

/// Weights by size: `size^(1 / temperature)`, normalised. Temperature 1 is proportional, a large
/// one uniform.
///
/// ```
/// assert_eq!(refire_data::mixture_weights(&[1.0, 3.0], 1.0), [0.25, 0.75]);
/// assert_eq!(refire_data::mixture_weights(&[1.0, 4.0], 2.0), [1.0 / 3.0, 2.0 / 3.0]);
/// ```
pub fn mixture_weights(sizes: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = sizes.iter().map(|size| size.powf(1.0 / temperature)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// Several sources in fixed proportions, by deficit round robin: each request goes to the source
/// that is farthest behind its share, so after any number of requests no source is more than one
/// off (but for rounding and exhausted sources). No draw is random.
///
/// ```
/// use refire_core::{Prompt, PromptSource, SamplingParams};
/// use refire_data::{Exhausted, Mixture, Pool, UniformPrompts};
/// let prompts = (0..6).map(|id| Prompt { id, ..Prompt::default() }).collect();
/// let pool = Pool::new(prompts, 8, SamplingParams::default())?;
/// let other = vec![Prompt { id: 9, ..Prompt::default() }];
/// let other = Pool::new(other, 8, SamplingParams::default())?;
/// let mut source = Mixture::new(
///     vec![
///         (Box::new(UniformPrompts::new(pool, 0)), 0.75),
///         (Box::new(UniformPrompts::new(other, 0)), 0.25),
///     ],
///     Exhausted::GoOn,
/// )?;
/// source.next(8)?;
/// assert_eq!(source.served(), [6, 2]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct Mixture {
    sources: Vec<(Box<dyn PromptSource>, f64)>,
    exhausted: Exhausted,
    memory: Memory,
    /// Which source a prompt came from, to tell it how the prompt went.
    owner: HashMap<u64, usize>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    served: Vec<u64>,
    ended: Vec<bool>,
}

impl std::fmt::Debug for Mixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mixture").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl Mixture {
    /// Sources with their weights, whose prompts have different ids.
    ///
    /// # Errors
    /// Without a source, and for weights that aren't above 0.
    pub fn new(
        sources: Vec<(Box<dyn PromptSource>, f64)>,
        exhausted: Exhausted,
    ) -> Result<Self, DataError> {
        if sources.is_empty() {
            return Err(DataError::Empty { what: "sources of a mixture" });
        }
        if let Some((_, bad)) = sources.iter().find(|(_, w)| *w <= 0.0 || !w.is_finite()) {
            return Err(DataError::out_of_range("weight", bad, "above 0"));
        }
        let n = sources.len();
        let memory = Memory { served: vec![0; n], ended: vec![false; n] };
        Ok(Self { sources, exhausted, memory, owner: HashMap::new() })
    }

    /// Requests served by each source.
    pub fn served(&self) -> &[u64] {
        &self.memory.served
    }

    /// The sources of the next `n` requests: each time the one with the least
    /// `(served + 1) / weight`, of equal ones the first.
    fn plan(&self, n: usize) -> Vec<usize> {
        let mut served = self.memory.served.clone();
        let open: Vec<usize> = (0..served.len()).filter(|at| !self.memory.ended[*at]).collect();
        let mut plan = Vec::with_capacity(n);
        for _ in 0..n {
            let due = |at: &usize| (served[*at] + 1) as f64 / self.sources[*at].1;
            let Some(at) = open.iter().copied().min_by(|a, b| due(a).total_cmp(&due(b))) else {
                break;
            };
            served[at] += 1;
            plan.push(at);
        }
        plan
    }
}

impl PromptSource for Mixture {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let mut requests = Vec::with_capacity(n);
        while requests.len() < n {
            if self.exhausted == Exhausted::Stop && self.memory.ended.contains(&true) {
                break;
            }
            let plan = self.plan(n - requests.len());
            if plan.is_empty() {
                break;
            }
            // Each source is asked once for its whole share: some look at a batch as a whole.
            let mut shares = Vec::with_capacity(self.sources.len());
            for (at, (source, _)) in self.sources.iter_mut().enumerate() {
                let wanted = plan.iter().filter(|of| **of == at).count();
                let share = if wanted > 0 { source.next(wanted)? } else { Vec::new() };
                self.memory.ended[at] |= share.len() < wanted;
                self.memory.served[at] += share.len() as u64;
                shares.push(share.into_iter());
            }
            for at in plan {
                if let Some(request) = shares[at].next() {
                    self.owner.insert(request.prompt.id, at);
                    requests.push(request);
                }
            }
        }
        Ok(requests)
    }

    fn observe(&mut self, groups: &[Group], scores: &[Vec<Score>]) {
        for (at, (source, _)) in self.sources.iter_mut().enumerate() {
            let own = groups
                .iter()
                .zip(scores)
                .filter(|(group, _)| self.owner.get(&group.request.prompt.id) == Some(&at));
            let (groups, scores): (Vec<Group>, Vec<Vec<Score>>) =
                own.map(|(group, scores)| (group.clone(), scores.clone())).unzip();
            if !groups.is_empty() {
                source.observe(&groups, &scores);
            }
        }
    }
}

impl Stateful for Mixture {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        let sources = self.sources.iter().map(|(source, _)| source.state());
        let mut owner: Vec<(u64, usize)> = self.owner.iter().map(|(id, at)| (*id, *at)).collect();
        owner.sort_unstable();
        encode_state(&(sources.collect::<Result<Vec<_>, _>>()?, &self.memory, owner))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        type State = (Vec<Vec<u8>>, Memory, Vec<(u64, usize)>);
        let (sources, memory, owner): State = decode_state("Mixture", state)?;
        let n = self.sources.len();
        if [sources.len(), memory.served.len(), memory.ended.len()] != [n; 3] {
            let reason = format!("saved with {} sources, now {n}", sources.len());
            return Err(CoreError::State { owner: "Mixture", reason }.into());
        }
        for ((source, _), state) in self.sources.iter_mut().zip(&sources) {
            source.restore(state)?;
        }
        self.memory = memory;
        self.owner = owner.into_iter().collect();
        Ok(())
    }
}
