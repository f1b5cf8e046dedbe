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
