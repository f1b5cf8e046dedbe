//! The frame around every loop: events, evaluation, checkpoints, interruption.

use crate::TrainError;
use crate::checkpoint::{self, CheckpointConfig, RunInfo, States};
use refire_core::{
    BoxError, Callback, Control, Event, Metrics, Phase, Stateful, decode_state, encode_state,
};
use refire_objective::{Critic, MovingReference, Policy};
use std::path::Path;

/// What stays the same from loop to loop.
#[derive(Default)]
pub(crate) struct Frame {
    pub(crate) done: u64,
    pub(crate) callbacks: Vec<Box<dyn Callback>>,
    pub(crate) checkpoints: Option<CheckpointConfig>,
    saved: Option<u64>,
}

/// Tells callbacks of an event from within a step.
pub type Emit<'a> = dyn FnMut(&Event<'_>) -> Result<(), BoxError> + 'a;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Steps done in all.
    pub steps: u64,
    /// True if it stopped before its last step because it was asked to.
    pub interrupted: bool,
}

/// A model that a loop trains.
pub enum Trained<'a> {
    /// A policy.
    Policy(&'a mut dyn Policy),
    /// A critic or a reward model.
    Critic(&'a mut dyn Critic),
    /// A reference that follows a policy.
    Reference(&'a mut dyn MovingReference),
}

impl std::fmt::Debug for Trained<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple(match self {
            Self::Policy(_) => "Policy",
            Self::Critic(_) => "Critic",
            Self::Reference(_) => "Reference",
        })
        .field(&self.version())
        .finish()
    }
}

impl Trained<'_> {
    fn version(&self) -> u64 {
        match self {
            Self::Policy(policy) => policy.version(),
            Self::Critic(critic) => critic.version(),
            Self::Reference(reference) => reference.version(),
        }
    }

    pub(crate) fn save_state(&self, dir: &Path) -> Result<(), BoxError> {
        match self {
            Self::Policy(policy) => policy.save_state(dir),
            Self::Critic(critic) => critic.save_state(dir),
            Self::Reference(reference) => reference.save_state(dir),
        }
    }

    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError> {
        match self {
            Self::Policy(policy) => policy.load_state(dir),
            Self::Critic(critic) => critic.load_state(dir),
            Self::Reference(reference) => reference.load_state(dir),
        }
    }
}

/// A loop, step by step. [`Trainer`](crate::Trainer) puts events, evaluation, checkpoints and
/// interruption around it.
pub trait Loop {
    /// Which kind of run it is.
    fn phase(&self) -> Phase;
    /// Steps of the whole run.
    fn total(&self) -> u64;
    /// Steps between evaluations; 0 means never.
    fn evaluate_every(&self) -> u64;
    /// The resolved configuration, saved beside each checkpoint.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    fn config(&self) -> Result<serde_json::Value, BoxError>;
    /// Looks for missing parts before the run begins.
    ///
    /// # Errors
    /// Names what is missing.
    fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }
    /// The models that are trained, by name: their folders within a checkpoint.
    fn models(&mut self) -> Vec<(&'static str, Trained<'_>)>;
    /// Parts with memory, by name.
    fn parts(&mut self) -> Vec<(&str, &mut dyn Stateful)>;
    /// Makes one step, counted from 0; `None` if the data is exhausted.
    ///
    /// # Errors
    /// When a part fails. Where no model was updated, what stood before the step is saved.
    fn step(&mut self, step: u64, emit: &mut Emit<'_>) -> Result<Option<Metrics>, BoxError>;
    /// Measures the models; `None` if there is nothing to measure them with.
    ///
    /// # Errors
    /// When generation or scoring fails.
    fn evaluate(&mut self) -> Result<Option<Metrics>, BoxError> {
        Ok(None)
    }
}

fn versions(work: &mut dyn Loop) -> Vec<u64> {
    work.models().iter().map(|(_, model)| model.version()).collect()
}

impl Frame {
    /// Runs a loop to its end, or until somebody asks it to stop.
    pub(crate) fn run(&mut self, work: &mut dyn Loop) -> Result<Outcome, BoxError> {
        let (phase, total) = (work.phase(), work.total());
        let mut control = self.emit(&Event::Start { phase, done: self.done, total })?;
        if self.done == 0 {
            control = self.evaluate(work, control)?;
        }
        while self.done < total && control == Control::Continue {
            let before_versions = versions(work);
            let before = self.states(work)?;
            match self.one(work, &mut control) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    // The update was not made: the last complete step is still intact.
                    if versions(work) == before_versions {
                        self.save_as(work, &before)?;
                    }
                    return Err(error);
                }
            }
        }
        let interrupted = control == Control::Stop && self.done < total;
        self.save(work)?;
        self.emit(&Event::End { step: self.done, interrupted })?;
        Ok(Outcome { steps: self.done, interrupted })
    }

    fn one(&mut self, work: &mut dyn Loop, control: &mut Control) -> Result<bool, BoxError> {
        let clock = std::time::Instant::now();
        let step = self.done + 1;
        let callbacks = &mut self.callbacks;
        let mut wish = Control::Continue;
        let made = work.step(self.done, &mut |event| {
            if callbacks.on_event(event)? == Control::Stop {
                wish = Control::Stop;
            }
            Ok(())
        });
        let Some(mut metrics) = made? else { return Ok(false) };
        let seconds = clock.elapsed().as_secs_f64();
        metrics.add(refire_core::Metric::sum("step_seconds", seconds));
        self.done = step;
        let after = self.emit(&Event::Step { step, metrics: &metrics })?;
        *control = if wish == Control::Stop { wish } else { after };
        *control = self.evaluate(work, *control)?;
        if self.checkpoints.as_ref().is_some_and(|c| c.every > 0 && step.is_multiple_of(c.every)) {
            self.save(work)?;
        }
        Ok(true)
    }

    fn evaluate(&mut self, work: &mut dyn Loop, control: Control) -> Result<Control, BoxError> {
        let every = work.evaluate_every();
        let last = self.done == work.total();
        if every == 0 || !(last || self.done.is_multiple_of(every)) {
            return Ok(control);
        }
        let Some(metrics) = work.evaluate()? else { return Ok(control) };
        let wish = self.emit(&Event::Evaluation { step: self.done, metrics: &metrics })?;
        Ok(if control == Control::Stop { control } else { wish })
    }

    fn emit(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        self.callbacks.on_event(event)
    }

    fn states(&mut self, work: &mut dyn Loop) -> Result<States, BoxError> {
        let parts = work.parts();
        let mut states: States = parts
            .iter()
            .map(|(name, part)| Ok(((*name).to_owned(), part.state()?)))
            .collect::<Result<_, BoxError>>()?;
        let callbacks = self.callbacks.iter().map(|c| c.state()).collect::<Result<Vec<_>, _>>()?;
        states.insert("callbacks".to_owned(), encode_state(&callbacks)?);
        Ok(states)
    }

    fn save(&mut self, work: &mut dyn Loop) -> Result<(), BoxError> {
        let states = self.states(work)?;
        self.save_as(work, &states)
    }

    fn save_as(&mut self, work: &mut dyn Loop, states: &States) -> Result<(), BoxError> {
        let step = self.done;
        let Some(config) = self.checkpoints.as_ref().filter(|_| self.saved != Some(step)) else {
            return Ok(());
        };
        let info = RunInfo {
            phase: format!("{:?}", work.phase()).to_lowercase(),
            step,
            config: work.config()?,
        };
        let path = checkpoint::save(config, &info, &work.models(), states)?;
        self.saved = Some(step);
        self.emit(&Event::Checkpoint { step, path: &path }).map(|_| ())
    }

    /// Takes up a checkpoint.
    pub(crate) fn resume(&mut self, work: &mut dyn Loop, path: &Path) -> Result<(), BoxError> {
        let (info, states) = checkpoint::load(path)?;
        let mismatch =
            |what: String| TrainError::CheckpointMismatch { path: path.to_owned(), what };
        let phase = format!("{:?}", work.phase()).to_lowercase();
        if info.phase != phase {
            let what = format!("it is of a run of kind `{}`, this one is `{phase}`", info.phase);
            return Err(mismatch(what).into());
        }
        if let Some(field) = difference(&info.config, &work.config()?) {
            return Err(mismatch(format!("the configuration differs in `{field}`")).into());
        }
        let state = |name: &str| {
            states.get(name).ok_or_else(|| mismatch(format!("the state of `{name}` is missing")))
        };
        let callbacks: Vec<Vec<u8>> = decode_state("callbacks", state("callbacks")?)?;
        if callbacks.len() != self.callbacks.len() {
            let (saved, now) = (callbacks.len(), self.callbacks.len());
            return Err(mismatch(format!("it has {saved} callbacks, this run has {now}")).into());
        }
        for (name, part) in work.parts() {
            part.restore(state(name)?)?;
        }
        for (callback, state) in self.callbacks.iter_mut().zip(&callbacks) {
            callback.restore(state)?;
        }
        for (name, mut model) in work.models() {
            model.load_state(&path.join(name))?;
        }
        self.done = info.step;
        self.saved = Some(info.step);
        Ok(())
    }
}

/// First field in which two configurations differ; a run may be made longer.
fn difference(saved: &serde_json::Value, now: &serde_json::Value) -> Option<String> {
    let (Some(saved), Some(now)) = (saved.as_object(), now.as_object()) else {
        return (saved != now).then(|| "the whole".to_owned());
    };
    let names = saved.keys().chain(now.keys()).filter(|name| *name != "steps");
    names.into_iter().find(|name| saved.get(*name) != now.get(*name)).cloned()
}
