use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A language that the text of a completion must belong to; tokens that would leave it are
/// forbidden. An engine without guides refuses the request.
///
/// ```
/// use refire_core::Guide;
/// let guide: Guide = serde_json::from_str(r#"{"kind": "regex", "pattern": "[0-9]{1,4}"}"#)?;
/// assert_eq!(guide, Guide::Regex { pattern: "[0-9]{1,4}".to_owned() });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Guide {
    /// A regular expression that the whole text must match.
    Regex {
        /// The expression, without anchors.
        pattern: String,
    },
    /// JSON that satisfies a schema.
    JsonSchema {
        /// The schema.
        schema: Value,
    },
    /// A grammar in llguidance's variant of Lark.
    Lark {
        /// The grammar, with a rule `start`.
        grammar: String,
    },
}
