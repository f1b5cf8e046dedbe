//! The engine that generates in this process.

mod admit;
mod beam;
mod config;
mod episodes;
mod forcing;
mod lane;
mod memory;
mod partner;
mod plan;
mod pool;
mod row;
mod run;
#[cfg(test)]
mod tests;
mod trunk;
mod with;

pub use beam::{Beam, BeamSearch, EarlyStopping};
pub use config::EngineConfig;
pub use episodes::{EnvironmentFailure, Episodes};

use crate::{Detokenize, Guides, LogitsProcessor, SampleError};
use lane::Lane;
use partner::Partner;
use plan::{Plan, Shape};
use pool::Pool;
use refire_core::{
    BoxError, Completion, Environment, Flow, Group, Request, RolloutEngine, RolloutEvent,
    WeightUpdate,
};
use refire_model::{Decode, ModelConfig, WeightHandle, load_weights};
use row::Shared;
use run::{MakeEnvironment, Run, Sink};
use std::path::Path;
use std::sync::Arc;
use trunk::Trunk;

/// Generates from a learner's weights: on the CPU, where it reads them in place, or on the device
/// that they are on, as [`EngineConfig::decode_on`] says.
///
/// A prompt is read once and its cache shared by the completions; requests with equal prompts, or
/// with a long common beginning, share it too. Completions are decoded together, up to `max_slots`;
/// one that ends makes room for the next. Each has its own parameters and its own stream of draws,
/// so tokens and log-probabilities have the same bits whatever else is generated, in whatever order,
/// with however many slots and threads; on a device, but for rounding.
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
    decoder: Option<Box<dyn Decode>>,
    shape: Shape,
    version: u64,
    pool: Pool,
    guides: Option<Arc<dyn Guides>>,
    partner: Option<Partner>,
    processors: Option<Arc<MakeProcessors>>,
}

/// Makes the processors of a completion (request, sample index) beside those of its parameters.
type MakeProcessors = dyn Fn(&Request, usize) -> Vec<Box<dyn LogitsProcessor>> + Send + Sync;

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
        let (decoder, version) = handle.with(|decoder, v| (config.decoder(decoder), v))?;
        let decoder = decoder?;
        let (shape, pool) = (shape(&*decoder), Pool::default());
        let (decoder, guides, partner, processors) = (Some(decoder), None, None, None);
        Ok(Self {
            handle,
            codec,
            config,
            decoder,
            shape,
            version,
            pool,
            guides,
            partner,
            processors,
        })
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
    /// ```
    /// # use burn::tensor::Device;
    /// # use refire_core::{BoxError, Flow, Prompt, Request, RolloutEngine, SamplingParams};
    /// # use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};
    /// # use refire_sample::{Detokenize, EngineConfig, LocalEngine};
    /// # use std::sync::Arc;
    /// # struct Letters;
    /// # impl Detokenize for Letters {
    /// #     fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
    /// #         Ok(tokens.iter().filter_map(|t| char::from_u32(*t)).collect())
    /// #     }
    /// #     fn end_tokens(&self) -> &[u32] {
    /// #         &[0]
    /// #     }
    /// # }
    /// # let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// # let learner = Learner::new(decoder, LearnerConfig::default());
    /// # let (codec, config) = (Arc::new(Letters), EngineConfig::default());
    /// use refire_core::{Completion, Environment};
    /// /// Says `!` once, then nothing.
    /// struct Once(bool);
    /// impl Environment for Once {
    ///     fn reply(&mut self, _so_far: &Completion) -> Result<Option<Vec<u32>>, BoxError> {
    ///         Ok((!std::mem::replace(&mut self.0, true)).then(|| vec![33]))
    ///     }
    /// }
    /// let mut engine = LocalEngine::new(learner.handle(), codec, config)?;
    /// let params = SamplingParams { stop_tokens: (1..128).collect(), ..Default::default() };
    /// let prompt = Prompt { tokens: vec![1, 2], ..Default::default() };
    /// let request = Request { prompt, n: 1, params, ..Default::default() };
    /// let mut once = |_: &Request, _: usize| Box::new(Once(false)) as Box<dyn Environment>;
    /// let episodes = engine.generate_with(&[request], &mut once, &mut |_| Flow::Continue)?;
    /// assert_eq!(episodes.groups[0].completions[0].loss_mask, [true, false, true]);
    /// # Ok::<(), BoxError>(())
    /// ```
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

    /// What each request needs, and the prompts that are read for them.
    fn plan(&self, requests: &[Request]) -> Result<(Vec<Plan>, Vec<Trunk>), SampleError> {
        let ends = self.codec.end_tokens();
        let plan = |request: &Request| {
            let plan = Plan::new(request, self.shape_for(request)?, ends)?;
            plan.constraint(request.id, self.guides.as_deref())?;
            Ok(plan)
        };
        let mut plans: Vec<Plan> = requests.iter().map(plan).collect::<Result<_, SampleError>>()?;
        let prefixes: Vec<&[u32]> = plans.iter().map(|plan| plan.prefix.as_slice()).collect();
        let n: Vec<usize> = plans.iter().map(|plan| plan.n).collect();
        let trunks = trunk::choose(&prefixes, &n);
        for trunk in &trunks {
            trunk.users.iter().for_each(|user| plans[*user].trunk = trunk.len);
        }
        self.check_budget(requests, &plans)?;
        Ok((plans, trunks))
    }

    /// The smaller context where a request blends two policies.
    fn shape_for(&self, request: &Request) -> Result<Shape, SampleError> {
        if request.params.blend.is_none() {
            return Ok(self.shape);
        }
        let request = request.id;
        let partner = self.partner.as_ref().ok_or(SampleError::NoPartner { request })?;
        Ok(Shape { context: self.shape.context.min(partner.context()), ..self.shape })
    }

    fn run(
        &mut self,
        requests: &[Request],
        make: &mut MakeEnvironment<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<Episodes, SampleError> {
        let (plans, trunks) = self.plan(requests)?;
        let capacity = capacity(&plans, requests);
        self.reserve(capacity);
        let decoder = self.decoder.as_deref().ok_or(SampleError::NoWeights)?;
        let version = u32::try_from(self.version);
        let version = version.map_err(|_| SampleError::Version { version: self.version })?;
        let (codec, guides) = (&*self.codec, self.guides.as_deref());
        let (processors, purpose) = (self.processors.as_deref(), self.config.purpose());
        let shared =
            Shared { requests, plans: &plans, codec, guides, processors, purpose, version };
        let mut lanes = vec![Lane { decoder, pool: &mut self.pool, logits: Vec::new() }];
        if plans.iter().any(|plan| plan.params.blend.is_some()) {
            lanes.extend(self.partner.as_mut().map(|partner| partner.lane(capacity)));
        }
        let run = Run::new(shared, trunks, lanes, &self.config, make, sink);
        let (completions, failures) = run.finish()?;
        let group = |(request, completions): (&Request, Vec<Completion>)| Group {
            request: request.clone(),
            completions,
        };
        Ok(Episodes { groups: requests.iter().zip(completions).map(group).collect(), failures })
    }

    fn take_handle(&mut self) -> Result<(), SampleError> {
        self.give_up();
        let decoder = self.handle.with(|decoder, _| self.config.decoder(decoder))??;
        self.take(decoder)
    }

    fn take_folder(&mut self, path: &Path) -> Result<(), SampleError> {
        let config = ModelConfig::read(path)?;
        let device = self.handle.with(|decoder, _| decoder.head_weight().inner().device())?;
        let weights = load_weights(path, &config, &device)?;
        let decoder = self.config.decoder(&weights)?;
        self.pool.clear();
        self.take(decoder)
    }

    /// Lets go of the weights, and of caches that are of no use without them.
    fn give_up(&mut self) {
        if self.decoder.take().is_some_and(|decoder| !decoder.keeps_caches()) {
            self.pool.trim();
        }
    }

    fn take(&mut self, decoder: Box<dyn Decode>) -> Result<(), SampleError> {
        let shape = shape(&*decoder);
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
        self.give_up();
    }

    fn weights_version(&self) -> u64 {
        self.version
    }
}
