use crate::{BoxError, CoreError};
use serde::{Serialize, de::DeserializeOwned};

/// Saves and restores what an object remembers of a run.
///
/// A run that is killed and resumed equals the uninterrupted one only if everything with memory
/// takes part: prompt sources, advantages with running baselines, controllers, callbacks. The
/// default is an object without memory: it saves nothing, and refuses a state that isn't empty.
///
/// ```
/// use refire_core::{BoxError, Stateful, decode_state, encode_state};
///
/// struct Counter(u64);
/// impl Stateful for Counter {
///     fn state(&self) -> Result<Vec<u8>, BoxError> {
///         encode_state(&self.0)
///     }
///     fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
///         self.0 = decode_state("Counter", state)?;
///         Ok(())
///     }
/// }
///
/// let saved = Counter(7).state()?;
/// let mut fresh = Counter(0);
/// fresh.restore(&saved)?;
/// assert_eq!(fresh.0, 7);
/// # Ok::<(), BoxError>(())
/// ```
pub trait Stateful {
    /// The object's memory as bytes; empty for an object without memory.
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        Ok(Vec::new())
    }

    /// Takes back what [`state`](Self::state) gave.
    ///
    /// # Errors
    /// When the bytes don't belong to this kind of object.
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        if state.is_empty() {
            return Ok(());
        }
        let reason = format!("it keeps no state, yet {} bytes were saved", state.len());
        Err(CoreError::State { owner: std::any::type_name::<Self>(), reason }.into())
    }
}

impl<T: Stateful + ?Sized> Stateful for Box<T> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        (**self).state()
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        (**self).restore(state)
    }
}

impl<T: Stateful> Stateful for Option<T> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.as_ref().map_or_else(|| Ok(Vec::new()), Stateful::state)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        match self {
            Some(inner) => inner.restore(state),
            None if state.is_empty() => Ok(()),
            None => {
                let reason = "the saved run had one, this run has none".to_owned();
                Err(CoreError::State { owner: std::any::type_name::<T>(), reason }.into())
            }
        }
    }
}

impl<T: Stateful> Stateful for Vec<T> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        let parts = self.iter().map(Stateful::state).collect::<Result<Vec<_>, _>>()?;
        encode_state(&parts)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let parts: Vec<Vec<u8>> = decode_state("Vec", state)?;
        if parts.len() != self.len() {
            let reason = format!("{} were saved, this run has {}", parts.len(), self.len());
            return Err(CoreError::State { owner: std::any::type_name::<T>(), reason }.into());
        }
        self.iter_mut().zip(&parts).try_for_each(|(item, part)| item.restore(part))
    }
}

/// Encodes plain data as state bytes (JSON: readable, and exact for `f32` and `f64`).
///
/// # Errors
/// When the value can't be written as JSON, for instance a map with keys that aren't text.
pub fn encode_state<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, BoxError> {
    Ok(serde_json::to_vec(value)?)
}

/// Decodes what [`encode_state`] wrote; `owner` names the object in the error.
///
/// # Errors
/// When the bytes aren't a `T`.
pub fn decode_state<T: DeserializeOwned>(owner: &'static str, state: &[u8]) -> Result<T, BoxError> {
    serde_json::from_slice(state)
        .map_err(|source| CoreError::State { owner, reason: source.to_string() }.into())
}
