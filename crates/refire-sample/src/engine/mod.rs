//! The engine that generates in this process.

mod config;
mod episodes;
mod plan;
mod pool;
mod row;
mod run;
#[cfg(test)]
mod tests;

pub use config::EngineConfig;
pub use episodes::{EnvironmentFailure, Episodes};

use crate::{Detokenize, SampleError};
use plan::{Plan, Shape};
use pool::Pool;
use refire_core::{
    BoxError, Completion, Environment, Flow, Group, Request, RolloutEngine, RolloutEvent,
    WeightUpdate,
};
use refire_model::{Decode, HostDecoder, ModelConfig, WeightHandle, load_weights};
use row::Shared;
use run::{MakeEnvironment, Run, Sink};
use std::path::Path;
use std::sync::Arc;

/// Generates on the CPU from a learner's weights, which it reads in place.
///
/// A prompt is read once per request and its cache is shared by the completions. Completions are
/// decoded together, up to `max_slots`; one that ends makes room for the next. Each has its own
/// parameters and its own stream of draws, so tokens and log-probabilities have the same bits
/// whatever else is generated, in whatever order, with however many slots and threads.
///
/// `max_tokens` counts all tokens of a completion: those of one to go on from, and an
/// environment's. Stop texts are looked for in the text of the current turn; `min_tokens` holds
/// off end tokens only.
///
/// Events come in this order: step by step, and within a step request by request, sample by
/// sample; each completion has one `Finished`. After [`Flow::CancelAll`] no further token is
/// reported, and what was not reported is not in the completions.
///
/// ```
/// use burn::tensor::Device;
/// use refire_core::{BoxError, Flow, Prompt, Request, RolloutEngine, SamplingParams};
/// use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};
/// use refire_sample::{Detokenize, EngineConfig, LocalEngine};
/// use std::sync::Arc;
///
/// struct Letters;
/// impl Detokenize for Letters {
///     fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
///         Ok(tokens.iter().filter_map(|t| char::from_u32(*t)).collect())
///     }
///     fn end_tokens(&self) -> &[u32] {
///         &[0]
///     }
/// }
///
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let learner = Learner::new(decoder, LearnerConfig::default());
/// let mut engine = LocalEngine::new(learner.handle(), Arc::new(Letters), EngineConfig::default())?;
/// let request = Request {
///     prompt: Prompt { id: 7, tokens: vec![1, 2], ..Default::default() },
///     n: 4,
///     params: SamplingParams { max_tokens: 8, ..Default::default() },
///     ..Default::default()
/// };
/// let groups = engine.generate(&[request], &mut |_| Flow::Continue)?;
/// assert_eq!(groups[0].completions.len(), 4);
/// # Ok::<(), BoxError>(())
/// ```
pub struct LocalEngine {
    handle: WeightHandle,
    codec: Arc<dyn Detokenize>,
    config: EngineConfig,
    decoder: Option<HostDecoder>,
    shape: Shape,
    version: u64,
    pool: Pool,
}

impl std::fmt::Debug for LocalEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("LocalEngine");
        debug.field("config", &self.config).field("version", &self.version);
        debug.field("has_weights", &self.decoder.is_some()).finish_non_exhaustive()
    }
}

impl LocalEngine {
    /// An engine over shared weights; it takes them up at once.
    ///
    /// # Errors
    /// For a configuration that `validate` objects to, and for weights that can't be read.
    pub fn new(
        handle: WeightHandle,
        codec: Arc<dyn Detokenize>,
        config: EngineConfig,
    ) -> Result<Self, SampleError> {
        if let Some(problem) = config.validate().into_iter().next() {
            return Err(SampleError::Config(problem));
        }
        let (decoder, version) = handle.with(|decoder, v| (HostDecoder::new(decoder), v))?;
        let decoder = decoder?;
        let (shape, pool) = (shape(&decoder), Pool::default());
        Ok(Self { handle, codec, config, decoder: Some(decoder), shape, version, pool })
    }

    /// Memory for the caches of a call, in bytes: the most that its slots and the prompts being
    /// continued can take, known before anything is generated.
    ///
    /// All slots have the size that the longest completion may need. Caches are kept from call to
    /// call, so an earlier call with more or longer completions counts on.
    ///
    /// # Errors
    /// For requests that can't be served.
    pub fn memory(&self, requests: &[Request]) -> Result<usize, SampleError> {
        let plans = self.plan(requests)?;
        let completions: usize = plans.iter().map(|plan| plan.n).sum();
        let slots = completions.min(self.config.max_slots);
        let mut prompts: Vec<usize> = plans.iter().map(|plan| plan.prefix.len()).collect();
        prompts.sort_unstable_by(|a, b| b.cmp(a));
        let prompts: usize = prompts.iter().take(slots).sum();
        let capacity = capacity(&plans, requests).max(self.pool.capacity());
        let caches = slots.max(self.pool.free());
        Ok((caches * capacity + prompts) * self.shape.bytes_per_token)
    }

    /// Generates completions that talk to environments.
    ///
    /// `environments` is asked for each completion (request, sample index). When the policy ends a
    /// turn by an end token or a stop text, the environment's reply is appended with mask `false`
    /// and log-probability 0, and decoding goes on. Without a reply the completion ends as
    /// [`Finish::Environment`](refire_core::Finish::Environment); a reply that leaves no room for
    /// another token is left out and the completion ends as
    /// [`Finish::Length`](refire_core::Finish::Length). Environments are asked one after the other.
    ///
    /// An episode that was cancelled, or whose environment failed, between two turns lacks a reply:
    /// resuming it would go on right after the end token.
    ///
    /// # Errors
    /// As for `generate`. A failing environment is no error of the call: see [`Episodes::failures`].
    pub fn generate_with(
        &mut self,
        requests: &[Request],
        environments: &mut dyn FnMut(&Request, usize) -> Box<dyn Environment>,
        sink: &mut dyn FnMut(RolloutEvent<'_>) -> Flow,
    ) -> Result<Episodes, SampleError> {
        let mut make = |request: &Request, sample| Some(environments(request, sample));
        self.run(requests, &mut make, sink)
    }

    fn plan(&self, requests: &[Request]) -> Result<Vec<Plan>, SampleError> {
        let ends = self.codec.end_tokens();
        requests.iter().map(|request| Plan::new(request, self.shape, ends)).collect()
    }

    fn run(
        &mut self,
        requests: &[Request],
        make: &mut MakeEnvironment<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<Episodes, SampleError> {
        let plans = self.plan(requests)?;
        let decoder = self.decoder.as_ref().ok_or(SampleError::NoWeights)?;
        let version = u32::try_from(self.version);
        let version = version.map_err(|_| SampleError::Version { version: self.version })?;
        self.pool.reserve(capacity(&plans, requests));
        let (codec, purpose) = (&*self.codec, self.config.purpose());
        let shared = Shared { requests, plans: &plans, codec, purpose, version };
        let run = Run::new(shared, decoder, &self.config, &mut self.pool, make, sink);
        let (completions, failures) = run.finish()?;
        let group = |(request, completions): (&Request, Vec<Completion>)| Group {
            request: request.clone(),
            completions,
        };
        Ok(Episodes { groups: requests.iter().zip(completions).map(group).collect(), failures })
    }

    fn take_handle(&mut self) -> Result<(), SampleError> {
        self.decoder = None;
        let decoder = self.handle.with(|decoder, _| HostDecoder::new(decoder))??;
        self.take(decoder)
    }

    fn take_folder(&mut self, path: &Path) -> Result<(), SampleError> {
        let config = ModelConfig::read(path)?;
        let device = self.handle.with(|decoder, _| decoder.head_weight().inner().device())?;
        let decoder = HostDecoder::new(&load_weights(path, &config, &device)?)?;
        self.pool.clear();
        self.take(decoder)
    }

    fn take(&mut self, decoder: HostDecoder) -> Result<(), SampleError> {
        let shape = shape(&decoder);
        if shape.vocab != self.shape.vocab {
            let (found, expected) = (shape.vocab, self.shape.vocab);
            return Err(SampleError::Vocabulary { found, expected });
        }
        (self.shape, self.decoder) = (shape, Some(decoder));
        Ok(())
    }
}

fn shape(decoder: &dyn Decode) -> Shape {
    let (vocab, context) = (decoder.vocab(), decoder.context());
    Shape { vocab, context, bytes_per_token: decoder.cache_bytes_per_token() }
}

fn capacity(plans: &[Plan], requests: &[Request]) -> usize {
    plans.iter().zip(requests).map(|(plan, request)| plan.capacity(request)).max().unwrap_or(0)
}

impl RolloutEngine for LocalEngine {
    fn generate(
        &mut self,
        requests: &[Request],
        sink: &mut dyn FnMut(RolloutEvent<'_>) -> Flow,
    ) -> Result<Vec<Group>, BoxError> {
        Ok(self.run(requests, &mut |_, _| None, sink)?.groups)
    }

    fn refresh(&mut self, update: &WeightUpdate<'_>) -> Result<(), BoxError> {
        self.version = match update {
            WeightUpdate::InProcess { version } => {
                self.take_handle()?;
                *version
            }
            WeightUpdate::Folder { path, version } => {
                self.take_folder(path)?;
                *version
            }
            _ => return Err(SampleError::Update.into()),
        };
        Ok(())
    }

    fn release(&mut self) {
        self.decoder = None;
    }

    fn weights_version(&self) -> u64 {
        self.version
    }
}
