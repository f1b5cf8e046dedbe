use crate::{Decoder, ModelError};
use std::sync::{Arc, RwLock, RwLockReadGuard};

/// The learner's weights, shared with an engine in the same process.
///
/// Reading takes no copy. While a tensor obtained from it is alive, an in-place update would
/// become a full copy: engines drop theirs in `release`.
#[derive(Debug, Clone)]
pub struct WeightHandle(Arc<RwLock<Slot>>);

#[derive(Debug)]
struct Slot {
    decoder: Option<Decoder>,
    version: u64,
}

/// Read access to the weights.
pub(crate) struct WeightGuard<'a>(RwLockReadGuard<'a, Slot>);

const POISONED: ModelError =
    ModelError::Weights { reason: "a thread failed while it was updating them" };

impl WeightHandle {
    pub(crate) fn new(decoder: Decoder) -> Self {
        Self(Arc::new(RwLock::new(Slot { decoder: Some(decoder), version: 0 })))
    }

    /// Looks at the weights and their version.
    ///
    /// # Errors
    /// When an update failed half-way.
    pub fn with<R>(&self, look: impl FnOnce(&Decoder, u64) -> R) -> Result<R, ModelError> {
        let guard = WeightGuard(self.0.read().map_err(|_| POISONED)?);
        Ok(look(guard.decoder()?, guard.0.version))
    }

    /// Replaces the weights and sets their version.
    pub(crate) fn update(
        &self,
        version: u64,
        change: impl FnOnce(Decoder) -> Decoder,
    ) -> Result<(), ModelError> {
        let mut slot = self.0.write().map_err(|_| POISONED)?;
        slot.decoder = slot.decoder.take().map(change);
        slot.version = version;
        Ok(())
    }
}

impl WeightGuard<'_> {
    fn decoder(&self) -> Result<&Decoder, ModelError> {
        self.0.decoder.as_ref().ok_or(POISONED)
    }
}
