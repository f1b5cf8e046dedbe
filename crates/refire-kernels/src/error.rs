/// What can be wrong with an operation's arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A run continues one that doesn't come before it.
    #[error("run {run} continues run {parent}, which doesn't come before it")]
    Parent {
        /// Index of the run.
        run: usize,
        /// Its parent.
        parent: usize,
    },
    /// An index that lies beyond what it is an index of.
    #[error("the {what} of row {row} is {found}, must be below {limit}")]
    Index {
        /// What kind of index.
        what: &'static str,
        /// Where it stands.
        row: usize,
        /// The index.
        found: u32,
        /// How many there are.
        limit: usize,
    },
    /// Tensors of shapes that don't belong together.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
}
