use thiserror::Error;

/// Why a text doesn't match a [`TagGrammar`](crate::TagGrammar).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatFault {
    /// A tag begins before the one in front of it has ended, or ends without having begun.
    #[error("`{found}` at byte {at} where it has no place")]
    Misplaced {
        /// The tag as written.
        found: String,
        /// Its position.
        at: usize,
    },
    /// The text ends inside a tag.
    #[error("`<{tag}>` has no end")]
    Unclosed {
        /// Name of the tag.
        tag: String,
    },
    /// A tag stands before one that the grammar puts in front of it.
    #[error("`<{tag}>` at byte {at} is out of order")]
    Order {
        /// Name of the tag.
        tag: String,
        /// Its position.
        at: usize,
    },
    /// A tag occurs too seldom or too often.
    #[error("`<{tag}>` occurs {found} times, expected {min} to {max}")]
    Count {
        /// Name of the tag.
        tag: String,
        /// Times it occurs.
        found: usize,
        /// Fewest times permitted.
        min: usize,
        /// Most times permitted.
        max: usize,
    },
    /// Text before, between or behind the tags that the layout doesn't permit.
    #[error("the text at byte {at} stands outside the tags")]
    Outside {
        /// Where that stretch begins.
        at: usize,
    },
    /// A tag whose text doesn't stand on lines of its own.
    #[error("the text of `<{tag}>` must stand on lines of its own")]
    Lines {
        /// Name of the tag.
        tag: String,
    },
    /// A tag with nothing but white space in it.
    #[error("`<{tag}>` is blank")]
    Blank {
        /// Name of the tag.
        tag: String,
    },
}
