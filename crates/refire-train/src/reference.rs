use refire_core::{BoxError, Stateful};
use refire_objective::{FrozenPolicy, MovingReference, ReferenceSchedule};

/// What a KL term compares the policy with.
pub(crate) enum Reference {
    /// It stays as it is.
    Frozen(Box<dyn FrozenPolicy>),
    /// It follows the policy now and then.
    Moving(Box<dyn MovingReference>, Box<dyn ReferenceSchedule>),
}

impl Reference {
    pub(crate) fn policy(&self) -> &dyn FrozenPolicy {
        match self {
            Self::Frozen(policy) => policy.as_ref(),
            Self::Moving(policy, _) => policy.as_ref(),
        }
    }

    pub(crate) fn moves(&self) -> bool {
        matches!(self, Self::Moving(..))
    }

    /// Number of moves so far.
    pub(crate) fn version(&self) -> u64 {
        match self {
            Self::Frozen(_) => 0,
            Self::Moving(policy, _) => policy.version(),
        }
    }

    /// After `step` steps are done: moves if it is time.
    pub(crate) fn after(&mut self, step: u64) -> Result<(), BoxError> {
        let Self::Moving(policy, schedule) = self else { return Ok(()) };
        schedule.after(step).map_or(Ok(()), |share| policy.follow(share))
    }

    /// The model and the schedule whose state belongs into a checkpoint.
    pub(crate) fn moving(&mut self) -> Option<(&mut dyn MovingReference, &mut dyn Stateful)> {
        match self {
            Self::Frozen(_) => None,
            Self::Moving(policy, schedule) => Some((policy.as_mut(), schedule.as_mut())),
        }
    }
}
