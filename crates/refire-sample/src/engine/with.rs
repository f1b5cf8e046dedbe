//! What an engine may be given beside its policy.

use super::LocalEngine;
use super::partner::Partner;
use crate::{Guides, LogitsProcessor, SampleError};
use refire_core::Request;
use refire_model::WeightHandle;
use std::sync::Arc;

impl LocalEngine {
    /// With guides, for requests whose text must belong to a language
    /// ([`SamplingParams::guide`](refire_core::SamplingParams::guide)).
    ///
    /// The guides of the feature `guided` are `TokenGuides`; here is a language of one letter:
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
    /// use refire_core::Guide;
    /// use refire_sample::{Constraint, Guides};
    /// #[derive(Debug)]
    /// struct OnlyA;
    /// impl Constraint for OnlyA {
    ///     fn restrict(&mut self, _output: &[u32], logits: &mut [f32]) -> Result<(), BoxError> {
    ///         let others = logits.iter_mut().enumerate().filter(|(token, _)| *token != 97);
    ///         others.for_each(|(_, x)| *x = f32::NEG_INFINITY);
    ///         Ok(())
    ///     }
    /// }
    /// struct Language;
    /// impl Guides for Language {
    ///     fn constraint(&self, _: &Guide, _: &[u32]) -> Result<Box<dyn Constraint>, BoxError> {
    ///         Ok(Box::new(OnlyA))
    ///     }
    /// }
    /// let mut engine = LocalEngine::new(learner.handle(), codec, config)?.with_guides(Arc::new(Language));
    /// let guide = Some(Guide::Regex { pattern: "a*".to_owned() });
    /// let params = SamplingParams { guide, max_tokens: 3, ..Default::default() };
    /// let prompt = Prompt { tokens: vec![1, 2], ..Default::default() };
    /// let request = Request { prompt, n: 1, params, ..Default::default() };
    /// let groups = engine.generate(&[request], &mut |_| Flow::Continue)?;
    /// assert_eq!(groups[0].completions[0].text, "aaa");
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn with_guides(self, guides: Arc<dyn Guides>) -> Self {
        Self { guides: Some(guides), ..self }
    }

    /// With processors of your own, after those of a request's parameters: `make` is asked for each
    /// completion (request, sample index).
    ///
    /// What they do shows in `behaviour_logprobs`, never in `model_logprobs`;
    /// [`SamplingParams::is_on_policy`](refire_core::SamplingParams::is_on_policy) knows nothing of
    /// them.
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
    /// use refire_sample::{LogitsProcessor, Scratch, TokenContext};
    /// /// Never the same token twice in a row.
    /// #[derive(Debug)]
    /// struct NoStutter;
    /// impl LogitsProcessor for NoStutter {
    ///     fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _: &mut Scratch) {
    ///         let last = context.output.last().or(context.prompt.last());
    ///         if let Some(x) = last.and_then(|token| logits.get_mut(*token as usize)) {
    ///             *x = f32::NEG_INFINITY;
    ///         }
    ///     }
    /// }
    /// let engine = LocalEngine::new(learner.handle(), codec, config)?;
    /// let mut engine = engine.with_processors(|_request, _sample| vec![Box::new(NoStutter)]);
    /// let prompt = Prompt { tokens: vec![1, 2], ..Default::default() };
    /// let request = Request { prompt, n: 4, ..Default::default() };
    /// let groups = engine.generate(&[request], &mut |_| Flow::Continue)?;
    /// for completion in &groups[0].completions {
    ///     assert!(completion.tokens.windows(2).all(|pair| pair[0] != pair[1]));
    /// }
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn with_processors(
        self,
        make: impl Fn(&Request, usize) -> Vec<Box<dyn LogitsProcessor>> + Send + Sync + 'static,
    ) -> Self {
        Self { processors: Some(Arc::new(make)), ..self }
    }

    /// With another policy, for requests that blend the two
    /// ([`SamplingParams::blend`](refire_core::SamplingParams::blend)).
    ///
    /// It has a cache of its own for each completion that blends. Its weights stay as they are:
    /// neither `refresh` nor `release` touches them. `model_logprobs` are those of the engine's own
    /// policy, `behaviour_logprobs` those of the blend.
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
    /// let other = Decoder::init(&TinyLlama::default().config(), 1, &Device::flex());
    /// let other = Learner::new(other, LearnerConfig::default());
    /// let engine = LocalEngine::new(learner.handle(), codec, config)?;
    /// let mut engine = engine.with_partner(&other.handle())?;
    /// let params = SamplingParams { blend: Some(1.5), max_tokens: 4, ..Default::default() };
    /// let prompt = Prompt { tokens: vec![1, 2], ..Default::default() };
    /// let request = Request { prompt, n: 2, params, ..Default::default() };
    /// let groups = engine.generate(&[request], &mut |_| Flow::Continue)?;
    /// let completion = &groups[0].completions[0];
    /// assert_ne!(completion.model_logprobs, completion.behaviour_logprobs);
    /// # Ok::<(), BoxError>(())
    /// ```
    ///
    /// # Errors
    /// For weights that can't be read, and for another vocabulary.
    pub fn with_partner(self, handle: &WeightHandle) -> Result<Self, SampleError> {
        let partner = Partner::new(handle, self.shape.vocab, &self.config)?;
        Ok(Self { partner: Some(partner), ..self })
    }
}
