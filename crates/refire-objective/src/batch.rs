use crate::ObjectiveError;
use std::collections::BTreeMap;

/// A run of tokens, the continuation of its parent if it has one.
///
/// A padded row is one segment; a GRPO group may be one parent (the prompt) and G children. An
/// implementation may expand parents into full rows; the result is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// Index of an earlier segment that this one continues.
    pub parent: Option<usize>,
}

/// A token whose statistics are asked for, and where they go in the `[rows, time]` layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its segment.
    pub segment: usize,
    /// Its position within the segment. The context ends right before it; at position 0 that is
    /// the parent's last token.
    pub position: usize,
    /// Row in the result.
    pub row: usize,
    /// Column in the result.
    pub column: usize,
}

/// Changes to what the model reads, while the targets stay what they are. They compose: first other
/// tokens, then the blend, then the noise.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InputEdit {
    /// Read these tokens, one list per segment and as long as it (masked thought); `None` reads the
    /// segments' own.
    pub tokens: Option<Vec<Vec<u32>>>,
    /// Mix other tokens' embeddings in (intuitive fine-tuning).
    pub blend: Option<Blend>,
    /// Add noise to the embeddings (NEFTune).
    pub noise: Option<InputNoise>,
}

/// `(1 - share) embedding(token read) + share embedding(other token)`. Both carry a gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Blend {
    /// The other tokens, one list per segment and as long as it.
    pub tokens: Vec<Vec<u32>>,
    /// Their share, from 0 to 1.
    pub share: f64,
}

/// Uniform noise in `[-1, 1] * alpha / sqrt(length * width)` on the embeddings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputNoise {
    /// Strength.
    pub alpha: f64,
    /// Seed of the draws, which are keyed by it, segment and position.
    pub seed: u64,
}

/// Tokens to read and targets among them: host data, made once per micro-batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenBatch {
    /// Segments, parents before children.
    pub segments: Vec<Segment>,
    /// What is asked for.
    pub targets: Vec<Target>,
    /// Rows of the result.
    pub rows: usize,
    /// Columns of the result.
    pub width: usize,
    /// Changes to the input.
    pub input_edit: InputEdit,
}

impl TokenBatch {
    /// One segment per row: a context and its continuation, all of whose tokens are targets.
    ///
    /// Column `c` of row `r` is the `c`-th continuation token.
    ///
    /// ```
    /// use refire_objective::TokenBatch;
    /// let batch = TokenBatch::continuations([(&[1, 2][..], &[3, 4, 5][..])]);
    /// assert_eq!((batch.rows, batch.width, batch.targets.len()), (1, 3, 3));
    /// assert_eq!(batch.target_tokens()?, [3, 4, 5]);
    /// # Ok::<(), refire_objective::ObjectiveError>(())
    /// ```
    pub fn continuations<'a>(rows: impl IntoIterator<Item = (&'a [u32], &'a [u32])>) -> Self {
        let mut batch = Self::default();
        for (context, continuation) in rows {
            let row = batch.rows;
            let tokens = [context, continuation].concat();
            batch.segments.push(Segment { tokens, parent: None });
            batch.targets.extend((0..continuation.len()).map(|column| Target {
                segment: row,
                position: context.len() + column,
                row,
                column,
            }));
            batch.rows += 1;
            batch.width = batch.width.max(continuation.len());
        }
        batch
    }

    /// As [`continuations`](Self::continuations), with each different context once: as a segment
    /// that its rows' continuations have as their parent. A policy may then read a prompt once for
    /// a whole group of completions.
    ///
    /// ```
    /// use refire_objective::TokenBatch;
    /// let group = [(&[1, 2][..], &[3][..]), (&[1, 2][..], &[4, 5][..])];
    /// let batch = TokenBatch::shared(group);
    /// assert_eq!((batch.rows, batch.width, batch.segments.len()), (2, 2, 3));
    /// assert_eq!(batch.expanded(2), [1, 2, 4, 5]);
    /// assert_eq!(batch.target_tokens()?, [3, 4, 5]);
    /// # Ok::<(), refire_objective::ObjectiveError>(())
    /// ```
    pub fn shared<'a>(rows: impl IntoIterator<Item = (&'a [u32], &'a [u32])>) -> Self {
        let mut batch = Self::default();
        let mut contexts = BTreeMap::new();
        for (context, continuation) in rows {
            let row = batch.rows;
            let parent = (!context.is_empty()).then(|| {
                *contexts.entry(context).or_insert_with(|| {
                    batch.segments.push(Segment { tokens: context.to_vec(), parent: None });
                    batch.segments.len() - 1
                })
            });
            let segment = batch.segments.len();
            batch.segments.push(Segment { tokens: continuation.to_vec(), parent });
            let target = |column| Target { segment, position: column, row, column };
            batch.targets.extend((0..continuation.len()).map(target));
            batch.rows += 1;
            batch.width = batch.width.max(continuation.len());
        }
        batch
    }

    /// One value per row, read at its last token: what a reward model judges.
    ///
    /// Values stand before the token that is their target, so a token follows each row; nothing
    /// reads it.
    ///
    /// ```
    /// use refire_objective::TokenBatch;
    /// let batch = TokenBatch::ends([&[4, 5, 6][..], &[7][..]]);
    /// assert_eq!((batch.rows, batch.width), (2, 1));
    /// assert_eq!((batch.targets[0].position, batch.targets[1].position), (3, 1));
    /// ```
    pub fn ends<'a>(rows: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut batch = Self { width: 1, ..Self::default() };
        for tokens in rows {
            let (row, position) = (batch.rows, tokens.len());
            batch.segments.push(Segment { tokens: [tokens, &[0]].concat(), parent: None });
            batch.targets.push(Target { segment: row, position, row, column: 0 });
            batch.rows += 1;
        }
        batch
    }

    /// Token id of every target.
    ///
    /// # Errors
    /// When a target points outside its segment.
    pub fn target_tokens(&self) -> Result<Vec<u32>, ObjectiveError> {
        self.targets.iter().map(|t| self.token(t)).collect()
    }

    fn token(&self, target: &Target) -> Result<u32, ObjectiveError> {
        let index = |what, found, limit| ObjectiveError::Index { what, found, limit };
        let limit = self.segments.len();
        let segment = self.segments.get(target.segment);
        let tokens =
            &segment.ok_or_else(|| index("a target's segment", target.segment, limit))?.tokens;
        let token = tokens.get(target.position).copied();
        token.ok_or_else(|| index("a target's position", target.position, tokens.len()))
    }

    /// Checks that every index is in range and every target has a context.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn validate(&self) -> Result<(), ObjectiveError> {
        let below = |what, found, limit| {
            if found < limit { Ok(()) } else { Err(ObjectiveError::Index { what, found, limit }) }
        };
        for (index, segment) in self.segments.iter().enumerate() {
            if let Some(parent) = segment.parent {
                below("a segment's parent", parent, index)?;
            }
        }
        for (index, target) in self.targets.iter().enumerate() {
            self.token(target)?;
            below("a target's row", target.row, self.rows)?;
            below("a target's column", target.column, self.width)?;
            if target.position == 0 && self.segments[target.segment].parent.is_none() {
                return Err(ObjectiveError::NoContext { target: index, segment: target.segment });
            }
        }
        let InputEdit { tokens, blend, .. } = &self.input_edit;
        let lists = tokens.iter().chain(blend.as_ref().map(|blend| &blend.tokens));
        for edits in lists {
            let (what, found, expected) = ("edited segments", edits.len(), self.segments.len());
            if found != expected {
                return Err(ObjectiveError::Count { what, found, expected });
            }
            for (edit, segment) in edits.iter().zip(&self.segments) {
                let (found, expected) = (edit.len(), segment.tokens.len());
                if found != expected {
                    let what = "tokens of an edited segment";
                    return Err(ObjectiveError::Count { what, found, expected });
                }
            }
        }
        if let Some(Blend { share, .. }) = blend
            && !(0.0..=1.0).contains(share)
        {
            let (field, expected) = ("blend.share", "from 0 to 1");
            return Err(ObjectiveError::OutOfRange { field, value: share.to_string(), expected });
        }
        Ok(())
    }

    /// A segment's tokens with those of its ancestors in front, as they are read: the full row it
    /// stands for.
    pub fn expanded(&self, segment: usize) -> Vec<u32> {
        self.chain(segment, |s| self.read(s))
    }

    /// The tokens that are blended into a segment's row; `None` without a blend.
    pub fn blended(&self, segment: usize) -> Option<Vec<u32>> {
        let blend = self.input_edit.blend.as_ref()?;
        Some(self.chain(segment, |s| &blend.tokens[s]))
    }

    /// A segment's own tokens as they are read.
    pub fn read(&self, segment: usize) -> &[u32] {
        let edits = self.input_edit.tokens.as_deref();
        edits.map_or(&self.segments[segment].tokens, |edits| &edits[segment])
    }

    fn chain<'a>(&self, segment: usize, tokens: impl Fn(usize) -> &'a [u32]) -> Vec<u32> {
        let mut chain = vec![segment];
        while let Some(parent) = self.segments[chain[chain.len() - 1]].parent {
            chain.push(parent);
        }
        chain.iter().rev().flat_map(|s| tokens(*s).iter().copied()).collect()
    }

    /// The same segments with every token that has a context as a target, at `[segment, position]`:
    /// for a pass over all that is read.
    ///
    /// ```
    /// use refire_objective::TokenBatch;
    /// let batch = TokenBatch::continuations([(&[1, 2][..], &[3, 4, 5][..])]);
    /// assert_eq!(batch.everywhere().targets.len(), 4);
    /// ```
    pub fn everywhere(&self) -> Self {
        let mut all = Self { targets: Vec::new(), rows: self.segments.len(), ..self.clone() };
        for (row, segment) in self.segments.iter().enumerate() {
            let first = usize::from(segment.parent.is_none());
            let positions = first..segment.tokens.len();
            let target = |position| Target { segment: row, position, row, column: position };
            all.targets.extend(positions.map(target));
        }
        let width = self.segments.iter().map(|segment| segment.tokens.len()).max();
        Self { width: width.unwrap_or_default().max(1), ..all }
    }

    /// Length of the ancestors' tokens in front of a segment.
    pub fn offset(&self, segment: usize) -> usize {
        let mut offset = 0;
        let mut at = self.segments[segment].parent;
        while let Some(parent) = at {
            offset += self.segments[parent].tokens.len();
            at = self.segments[parent].parent;
        }
        offset
    }
}
