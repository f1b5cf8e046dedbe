use crate::{BoxError, Completion};

/// The other side of a conversation: tools, a simulated user, a game.
///
/// After each of the policy's turns the engine asks for a reply. Its tokens join the completion
/// with loss mask 0.
pub trait Environment: Send {
    /// The reply to what stands so far, as token ids; `None` ends the episode.
    ///
    /// # Errors
    /// When the environment itself fails; the completion is then reported, not lost.
    fn reply(&mut self, so_far: &Completion) -> Result<Option<Vec<u32>>, BoxError>;
}

/// The environment of a single question: it never replies.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleTurn;

impl Environment for SingleTurn {
    fn reply(&mut self, _so_far: &Completion) -> Result<Option<Vec<u32>>, BoxError> {
        Ok(None)
    }
}
