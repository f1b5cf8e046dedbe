use crate::{BoxError, Group, Metrics, SamplingParams, Score, Stateful};
use std::path::Path;

/// The part of a run that an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Supervised fine-tuning.
    Sft,
    /// Preference optimisation.
    Preference,
    /// Training of a reward model.
    Reward,
    /// Reinforcement learning.
    Rl,
}

/// What a trainer tells its callbacks. Steps count from 1: step `n` is over when `n` updates are.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins, or goes on after `done` steps.
    Start {
        /// Which loop.
        phase: Phase,
        /// Steps done before.
        done: u64,
        /// Steps in all.
        total: u64,
    },
    /// Completions of the step that is being made, with one slice of scores per group.
    Rollouts {
        /// The step.
        step: u64,
        /// The groups that are trained on.
        groups: &'a [Group],
        /// Their scores.
        scores: &'a [Vec<Score>],
    },
    /// An update was made.
    Step {
        /// The step.
        step: u64,
        /// What was measured; times end in `_seconds`.
        metrics: &'a Metrics,
    },
    /// The policy was evaluated.
    Evaluation {
        /// Steps done.
        step: u64,
        /// What was measured, names beginning with `eval_`.
        metrics: &'a Metrics,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps done.
        step: u64,
        /// Its folder.
        path: &'a Path,
    },
    /// The run is over, or was interrupted.
    End {
        /// Steps done.
        step: u64,
        /// True if it stopped before its last step.
        interrupted: bool,
    },
}

/// A callback's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Control {
    /// Go on.
    #[default]
    Continue,
    /// Save and stop after this step.
    Stop,
}

/// Sees the events of a run: logs, early stopping, watchdogs.
pub trait Callback: Stateful + Send {
    /// Called for each event.
    ///
    /// # Errors
    /// An error ends the run after what was computed is saved.
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError>;
}

impl<T: Callback + ?Sized> Callback for Box<T> {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        (**self).on_event(event)
    }
}

impl<T: Callback> Callback for Option<T> {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        self.as_mut().map_or(Ok(Control::Continue), |callback| callback.on_event(event))
    }
}

/// Every callback sees every event; one wish to stop is enough.
impl<T: Callback> Callback for Vec<T> {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        let mut control = Control::Continue;
        for callback in self {
            if callback.on_event(event)? == Control::Stop {
                control = Control::Stop;
            }
        }
        Ok(control)
    }
}

/// What a [`StepController`] may change for the next step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSettings {
    /// Prompts per step.
    pub prompts: usize,
    /// Completions per prompt.
    pub group_size: usize,
    /// How to draw them.
    pub sampling: SamplingParams,
    /// Whether a greedy completion stands beside each group; the advantage decides.
    pub greedy_sibling: bool,
}

/// Changes temperature, lengths and group size from step to step.
pub trait StepController: Stateful + Send {
    /// Adjusts the settings of the next step; `last` holds the metrics of the one before.
    ///
    /// # Errors
    /// An error ends the run after what was computed is saved.
    fn control(
        &mut self,
        step: u64,
        last: Option<&Metrics>,
        settings: &mut StepSettings,
    ) -> Result<(), BoxError>;
}

impl<T: StepController + ?Sized> StepController for Box<T> {
    fn control(
        &mut self,
        step: u64,
        last: Option<&Metrics>,
        settings: &mut StepSettings,
    ) -> Result<(), BoxError> {
        (**self).control(step, last, settings)
    }
}
