use crate::CheckpointConfig;
use crate::drive::{Frame, Loop, Outcome};
use refire_core::{BoxError, Callback};
use std::path::Path;

/// A training loop and everything around it: events, evaluation, checkpoints, interruption.
///
/// [`SftTrainer`](crate::SftTrainer), [`PreferenceTrainer`](crate::PreferenceTrainer),
/// [`RewardTrainer`](crate::RewardTrainer) and [`RlTrainer`](crate::RlTrainer) are this with a loop
/// each; a loop of your own is a [`Loop`].
pub struct Trainer<L> {
    pub(crate) work: L,
    pub(crate) frame: Frame,
}

impl<L: Loop> std::fmt::Debug for Trainer<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Trainer");
        debug.field("phase", &self.work.phase()).field("done", &self.frame.done);
        debug.finish_non_exhaustive()
    }
}

impl<L: Loop> Trainer<L> {
    /// A trainer of this loop, at step 0.
    pub fn of(work: L) -> Self {
        Self { work, frame: Frame::default() }
    }

    /// Adds a callback.
    pub fn with_callback(mut self, callback: impl Callback + 'static) -> Self {
        self.frame.callbacks.push(Box::new(callback));
        self
    }

    /// Writes checkpoints.
    pub fn with_checkpoints(mut self, config: CheckpointConfig) -> Self {
        self.frame.checkpoints = Some(config);
        self
    }

    /// Goes on from a checkpoint folder, bit for bit.
    ///
    /// # Errors
    /// When it can't be read or belongs to another kind of run.
    pub fn resume(&mut self, path: &Path) -> Result<(), BoxError> {
        self.frame.resume(&mut self.work, path)
    }

    /// Trains up to the configured number of steps.
    ///
    /// # Errors
    /// When a part is missing or fails; where checkpoints are configured, the last complete step is
    /// saved.
    pub fn run(&mut self) -> Result<Outcome, BoxError> {
        self.work.check()?;
        self.frame.run(&mut self.work)
    }
}
