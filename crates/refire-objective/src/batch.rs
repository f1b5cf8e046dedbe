use crate::ObjectiveError;

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

/// Changes to what the model reads, while the targets stay what they are.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum InputEdit {
    /// Read the tokens as they are.
    #[default]
    None,
    /// Read other tokens, one list per segment and as long as it (masked thought).
    Tokens(Vec<Vec<u32>>),
    /// Add uniform noise in `[-1, 1] * alpha / sqrt(length * width)` to the embeddings (NEFTune).
    Noise {
        /// Strength.
        alpha: f64,
        /// Seed of the draws, which are keyed by it, segment and position.
        seed: u64,
    },
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
        if let InputEdit::Tokens(edits) = &self.input_edit {
            let (found, expected) = (edits.len(), self.segments.len());
            let lengths_fit =
                edits.iter().zip(&self.segments).all(|(e, s)| e.len() == s.tokens.len());
            if found != expected || !lengths_fit {
                return Err(ObjectiveError::Count { what: "edited segments", found, expected });
            }
        }
        Ok(())
    }

    /// A segment's tokens with those of its ancestors in front: the full row it stands for.
    pub fn expanded(&self, segment: usize) -> Vec<u32> {
        let mut chain = vec![segment];
        while let Some(parent) = self.segments[chain[chain.len() - 1]].parent {
            chain.push(parent);
        }
        chain.iter().rev().flat_map(|s| self.read(*s).iter().copied()).collect()
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

    fn read(&self, segment: usize) -> &[u32] {
        match &self.input_edit {
            InputEdit::Tokens(edits) => &edits[segment],
            InputEdit::None | InputEdit::Noise { .. } => &self.segments[segment].tokens,
        }
    }
}
