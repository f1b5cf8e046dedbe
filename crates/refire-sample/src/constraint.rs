use refire_core::{BoxError, Guide};
use std::fmt::Debug;

/// Forbids the tokens that would leave a language.
pub trait Constraint: Debug + Send {
    /// Sets the logits (`[vocab]`) of tokens that can't follow `output`, the policy's current turn,
    /// to `-inf`. What it does depends on nothing but `output`; another turn begins anew.
    ///
    /// # Errors
    /// When `output` has left the language, or the language's machinery fails.
    fn restrict(&mut self, output: &[u32], logits: &mut [f32]) -> Result<(), BoxError>;
}

/// Makes the constraint of a request's [`Guide`]; for an engine see
/// [`LocalEngine::with_guides`](crate::LocalEngine::with_guides).
pub trait Guides: Send + Sync {
    /// A constraint for turns that end with one of `end_tokens`.
    ///
    /// # Errors
    /// When the guide is not understood.
    fn constraint(
        &self,
        guide: &Guide,
        end_tokens: &[u32],
    ) -> Result<Box<dyn Constraint>, BoxError>;
}
