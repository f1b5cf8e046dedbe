use crate::RewardError;
use serde::{Deserialize, Serialize};

/// How often one tag of a [`TagGrammar`] occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagRule {
    /// Name of the tag: `think` for `<think>…</think>`.
    pub tag: String,
    /// Fewest times.
    pub min: usize,
    /// Most times; they stand one behind the other.
    pub max: usize,
}

impl TagRule {
    /// A tag that occurs exactly once.
    pub fn once(tag: impl Into<String>) -> Self {
        Self { tag: tag.into(), min: 1, max: 1 }
    }
}

/// What may stand outside the tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// White space.
    #[default]
    Whitespace,
    /// Every tag has a line of its own and nothing else stands anywhere, as in open-r1's
    /// `^<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>$`.
    Lines,
    /// Any text.
    Text,
}

/// A format of tags: each in its order, none inside another.
///
/// ```
/// use refire_reward::TagGrammar;
/// let grammar = TagGrammar::think_answer();
/// let blocks = grammar.parse("<think>1 + 1</think>\n<answer>2</answer>")?;
/// assert_eq!((blocks[1].tag, blocks[1].body), ("answer", "2"));
/// assert!(grammar.parse("<answer>2</answer>").is_err());
/// # Ok::<(), refire_reward::FormatFault>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TagGrammar {
    /// The tags, in their order.
    pub tags: Vec<TagRule>,
    /// What may stand outside them.
    pub layout: Layout,
    /// Whether a tag may hold nothing but white space.
    pub allow_blank: bool,
}

impl Default for TagGrammar {
    /// [`TagGrammar::think_answer`].
    fn default() -> Self {
        Self::think_answer()
    }
}

impl TagGrammar {
    /// `<think>…</think><answer>…</answer>`, each once, white space around them
    /// (DeepSeek-R1's template). Blank tags pass, as they do in open-r1.
    pub fn think_answer() -> Self {
        let tags = vec![TagRule::once("think"), TagRule::once("answer")];
        Self { tags, layout: Layout::Whitespace, allow_blank: true }
    }

    /// open-r1's `format_reward`: [`think_answer`](Self::think_answer) with each tag on a line of
    /// its own. Departs where open-r1's regular expression is loose: with `MULTILINE` it accepts
    /// text behind the last tag, and its `.*?` accepts further tags inside.
    pub fn open_r1() -> Self {
        Self { layout: Layout::Lines, ..Self::think_answer() }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<RewardError> {
        let count = self.tags.len();
        let mut problems: Vec<_> =
            RewardError::unless(count > 0, "tags", count, "at least 1").into_iter().collect();
        for (index, TagRule { tag, min, max }) in self.tags.iter().enumerate() {
            let fresh = self.tags[..index].iter().all(|earlier| earlier.tag != *tag);
            let range = format!("{min} to {max} for `{tag}`");
            problems.extend(
                [
                    RewardError::unless(is_name(tag), "tag", tag, "ASCII letters, digits, - and _"),
                    RewardError::unless(fresh, "tag", tag, "each tag once"),
                    RewardError::unless(*min <= *max && *max > 0, "max", range, "from 1, >= min"),
                ]
                .into_iter()
                .flatten(),
            );
        }
        problems
    }
}

fn is_name(tag: &str) -> bool {
    let valid = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    !tag.is_empty() && tag.bytes().all(valid)
}
