//! What caches cost, before anything is generated.

use super::plan::Plan;
use super::trunk::Trunk;
use super::{LocalEngine, capacity};
use crate::SampleError;
use refire_core::Request;

impl LocalEngine {
    /// Memory for the caches of a call, in bytes: the most that its slots and the prompts being
    /// continued can take, known before anything is generated.
    ///
    /// All slots have the size that the longest completion may need, and at most
    /// `max_cache_tokens` together with the prompts. Caches are kept from call to call, so an
    /// earlier call with more or longer completions counts on.
    ///
    /// ```
    /// # use burn::tensor::Device;
    /// # use refire_core::{BoxError, Prompt, Request, SamplingParams};
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
    /// let prompt = Prompt { tokens: vec![1, 2], ..Default::default() };
    /// let params = SamplingParams { max_tokens: 20, ..Default::default() };
    /// let request = [Request { prompt, n: 8, params, ..Default::default() }];
    /// let engine = LocalEngine::new(learner.handle(), codec, config.clone())?;
    /// let all = engine.memory(&request)?;
    /// // The prompt's 2 tokens and 19 of one completion: the last is never read.
    /// let config = EngineConfig { max_cache_tokens: Some(21), ..config };
    /// let engine = LocalEngine::new(learner.handle(), Arc::new(Letters), config)?;
    /// assert_eq!(all * 21, engine.memory(&request)? * (2 + 8 * 19));
    /// # Ok::<(), BoxError>(())
    /// ```
    ///
    /// # Errors
    /// For requests that can't be served.
    pub fn memory(&self, requests: &[Request]) -> Result<usize, SampleError> {
        let (plans, trunks) = self.plan(requests)?;
        let completions: usize = plans.iter().map(|plan| plan.n).sum();
        let slots = completions.min(self.config.max_slots);
        let needed = capacity(&plans, requests);
        let tokens = match self.config.max_cache_tokens {
            None => slots.max(self.pool.free()) * needed.max(self.pool.capacity()),
            Some(_) => slots * needed,
        };
        let tokens = tokens + prompts(&trunks, slots);
        let tokens = tokens.min(self.config.max_cache_tokens.unwrap_or(usize::MAX));
        let blends = plans.iter().any(|plan| plan.params.blend.is_some());
        let partner = self.partner.as_ref().filter(|_| blends);
        Ok(tokens * (self.shape.bytes_per_token + partner.map_or(0, |p| p.bytes_per_token())))
    }

    /// Caches of this size from now on; larger ones are given up where memory is bounded.
    pub(super) fn reserve(&mut self, capacity: usize) {
        if self.config.max_cache_tokens.is_some() && self.pool.capacity() > capacity {
            self.pool.clear();
        }
        self.pool.reserve(capacity);
    }

    /// Refuses beams that don't fit together.
    pub(super) fn check_beams(
        &mut self,
        request: &Request,
        plan: &Plan,
        beams: usize,
    ) -> Result<(), SampleError> {
        let Some(most) = self.config.max_cache_tokens else { return Ok(()) };
        let needed = plan.prefix.len().saturating_add(plan.limit.saturating_mul(beams));
        if needed > most {
            return Err(SampleError::CacheTokens { request: request.id, needed, most });
        }
        // What other calls left may be more caches than beams.
        self.pool.trim();
        Ok(())
    }

    /// Refuses what could never begin.
    pub(super) fn check_budget(
        &self,
        requests: &[Request],
        plans: &[Plan],
    ) -> Result<(), SampleError> {
        let Some(most) = self.config.max_cache_tokens else { return Ok(()) };
        let capacity = capacity(plans, requests);
        for (request, plan) in requests.iter().zip(plans) {
            let needed = plan.trunk + capacity;
            if needed > most {
                return Err(SampleError::CacheTokens { request: request.id, needed, most });
            }
        }
        Ok(())
    }
}

/// Most tokens of prompts at once: those of several requests may wait for the last of them, the
/// others are there while one of their completions is.
fn prompts(trunks: &[Trunk], slots: usize) -> usize {
    let (many, one): (Vec<&Trunk>, Vec<&Trunk>) = trunks.iter().partition(|t| t.users.len() > 1);
    let mut one: Vec<usize> = one.into_iter().map(|trunk| trunk.len).collect();
    one.sort_unstable_by(|a, b| b.cmp(a));
    let shared: usize = many.into_iter().map(|trunk| trunk.len).sum();
    shared + one.iter().take(slots).sum::<usize>()
}
