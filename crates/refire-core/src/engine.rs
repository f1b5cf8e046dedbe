use crate::{BoxError, Completion, Group, Request};
use std::path::Path;

/// What an engine tells its caller while it generates.
#[derive(Debug)]
#[non_exhaustive]
pub enum RolloutEvent<'a> {
    /// A token was drawn.
    Token {
        /// Index into the requests of this call.
        request: usize,
        /// Sample index within the group.
        sample: usize,
        /// The token.
        token: u32,
    },
    /// Tokens were written by an environment or by
    /// [`BudgetForcing`](crate::BudgetForcing), not drawn.
    Written {
        /// Index into the requests of this call.
        request: usize,
        /// Sample index within the group.
        sample: usize,
        /// The tokens.
        tokens: &'a [u32],
    },
    /// A completion ended.
    Finished {
        /// Index into the requests of this call.
        request: usize,
        /// Sample index within the group.
        sample: usize,
        /// The completion.
        completion: &'a Completion,
    },
}

/// The caller's answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop this completion; it ends as [`Finish::Cancelled`](crate::Finish::Cancelled).
    CancelOne,
    /// Stop the whole call; unfinished completions come back as cancelled, nothing is lost.
    CancelAll,
}

/// Where an engine finds new weights.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum WeightUpdate<'a> {
    /// The policy lives in this process: take the handle again.
    InProcess {
        /// The new version.
        version: u64,
    },
    /// A checkpoint folder or an adapter folder was written.
    Folder {
        /// The folder.
        path: &'a Path,
        /// The new version.
        version: u64,
    },
}

/// Generates completions: in process, or from a server.
pub trait RolloutEngine: Send {
    /// Generates `request.n` completions for each request, groups in the order of the requests.
    ///
    /// # Errors
    /// For requests that can't be served (a prompt longer than the context, bad parameters) and for
    /// failures of the engine. A completion that merely hits its limit is not an error.
    fn generate(
        &mut self,
        requests: &[Request],
        sink: &mut dyn FnMut(RolloutEvent<'_>) -> Flow,
    ) -> Result<Vec<Group>, BoxError>;

    /// Takes up new weights.
    ///
    /// # Errors
    /// When the kind of update isn't supported, or the weights don't fit.
    fn refresh(&mut self, update: &WeightUpdate<'_>) -> Result<(), BoxError>;

    /// Drops the handle on the weights, so that the optimiser can update them in place.
    fn release(&mut self);

    /// Version of the weights in use.
    fn weights_version(&self) -> u64;
}

impl<T: RolloutEngine + ?Sized> RolloutEngine for Box<T> {
    fn generate(
        &mut self,
        requests: &[Request],
        sink: &mut dyn FnMut(RolloutEvent<'_>) -> Flow,
    ) -> Result<Vec<Group>, BoxError> {
        (**self).generate(requests, sink)
    }
    fn refresh(&mut self, update: &WeightUpdate<'_>) -> Result<(), BoxError> {
        (**self).refresh(update)
    }
    fn release(&mut self) {
        (**self).release();
    }
    fn weights_version(&self) -> u64 {
        (**self).weights_version()
    }
}
