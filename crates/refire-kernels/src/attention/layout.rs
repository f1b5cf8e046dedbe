use crate::KernelError;
use std::ops::Range;

/// Tokens that are worked on together.
pub(crate) const BLOCK: usize = 64;

/// A run of tokens, the continuation of its parent if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Number of tokens.
    pub len: usize,
    /// Index of an earlier run that this one continues.
    pub parent: Option<usize>,
}

/// Which of the packed tokens see one another.
///
/// Runs lie one after another without padding. A token sees its own run up to and including
/// itself, and all of the runs its own continues: rows of a batch are runs without parents, the
/// completions of one prompt are runs with the same parent, whose tokens exist once.
///
/// ```
/// use refire_kernels::{Layout, Run};
/// let prompt = Run { len: 3, parent: None };
/// let completion = |len| Run { len, parent: Some(0) };
/// let layout = Layout::new(vec![prompt, completion(2), completion(4)])?;
/// assert_eq!(layout.tokens(), 9);
/// // Both completions begin at position 3.
/// assert_eq!(layout.positions().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 3, 4, 5, 6]);
/// # Ok::<(), refire_kernels::KernelError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    runs: Vec<Run>,
    /// Where each run lies, and after the last one the number of tokens.
    starts: Vec<usize>,
    /// Position of each run's first token: the length of what it continues.
    positions: Vec<usize>,
    /// Runs that see each run: those that continue it, directly or not.
    followers: Vec<Vec<usize>>,
    pub(crate) blocks: Vec<Block>,
    /// Blocks of each run.
    ranges: Vec<Range<usize>>,
    #[cfg(feature = "cube")]
    placed: super::placed::Placed,
}

/// Some neighbouring tokens of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) run: usize,
    /// Where its first token lies.
    pub(crate) start: usize,
    pub(crate) len: usize,
    /// Its first token's position.
    pub(crate) position: usize,
}

impl Layout {
    /// Runs in the order in which their tokens lie.
    ///
    /// # Errors
    /// When a run's parent doesn't come before it.
    pub fn new(runs: Vec<Run>) -> Result<Self, KernelError> {
        let (mut starts, mut positions) = (vec![0], Vec::<usize>::with_capacity(runs.len()));
        let mut followers = vec![Vec::new(); runs.len()];
        for (index, run) in runs.iter().enumerate() {
            let mut ancestor = run.parent;
            if let Some(parent) = ancestor.filter(|parent| *parent >= index) {
                return Err(KernelError::Parent { run: index, parent });
            }
            positions.push(ancestor.map_or(0, |parent| positions[parent] + runs[parent].len));
            while let Some(above) = ancestor {
                followers[above].push(index);
                ancestor = runs[above].parent;
            }
            starts.push(starts[index] + run.len);
        }
        let (mut blocks, mut ranges) = (Vec::new(), Vec::with_capacity(runs.len()));
        for (run, Run { len, .. }) in runs.iter().enumerate() {
            let first = blocks.len();
            blocks.extend((0..*len).step_by(BLOCK).map(|offset| Block {
                run,
                start: starts[run] + offset,
                len: BLOCK.min(len - offset),
                position: positions[run] + offset,
            }));
            ranges.push(first..blocks.len());
        }
        Ok(Self {
            runs,
            starts,
            positions,
            followers,
            blocks,
            ranges,
            #[cfg(feature = "cube")]
            placed: Default::default(),
        })
    }

    /// Rows of these lengths, none of which sees another.
    pub fn rows(lengths: impl IntoIterator<Item = usize>) -> Self {
        let runs = lengths.into_iter().map(|len| Run { len, parent: None });
        // Without parents there is nothing to be wrong.
        Self::new(runs.collect()).unwrap_or_else(|_| unreachable!("runs without parents"))
    }

    /// Number of tokens of all runs.
    pub fn tokens(&self) -> usize {
        self.starts[self.runs.len()]
    }

    /// The runs.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Where a run's tokens lie.
    pub fn places(&self, run: usize) -> Range<usize> {
        self.starts[run]..self.starts[run + 1]
    }

    /// Position of a run's first token.
    pub fn position(&self, run: usize) -> usize {
        self.positions[run]
    }

    /// Position of each token within the row it belongs to.
    pub fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        let runs = self.runs.iter().zip(&self.positions);
        runs.flat_map(|(run, position)| *position..*position + run.len)
    }

    /// The same as kernels of a device read it, made once for each device.
    #[cfg(feature = "cube")]
    pub(crate) fn map(&self, device: &burn::tensor::Device) -> Option<crate::cube::Map> {
        self.placed.on(device, || crate::cube::Map::of(self, device))
    }

    /// A run and those it continues, the first of them first.
    pub(crate) fn chain(&self, run: usize) -> Vec<usize> {
        let mut chain = vec![run];
        let mut at = self.runs[run].parent;
        while let Some(parent) = at {
            chain.push(parent);
            at = self.runs[parent].parent;
        }
        chain.reverse();
        chain
    }

    /// Blocks that tokens of a block see, in the order of positions.
    #[cfg_attr(not(any(feature = "flex", feature = "cube")), allow(dead_code))]
    pub(crate) fn seen_from(&self, block: usize) -> impl Iterator<Item = usize> + '_ {
        let run = self.blocks[block].run;
        let above = self.chain(run).into_iter().filter(move |other| *other != run);
        above.flat_map(|other| self.ranges[other].clone()).chain(self.ranges[run].start..block + 1)
    }

    /// Blocks whose tokens see tokens of a block.
    #[cfg_attr(not(any(feature = "flex", feature = "cube")), allow(dead_code))]
    pub(crate) fn seeing(&self, block: usize) -> impl Iterator<Item = usize> + '_ {
        let run = self.blocks[block].run;
        let below = self.followers[run].iter().flat_map(|other| self.ranges[*other].clone());
        (block..self.ranges[run].end).chain(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_see_their_own_run_up_to_them_and_all_that_it_continues() {
        let run = |len, parent| Run { len, parent };
        let runs = vec![run(70, None), run(0, Some(0)), run(130, Some(1)), run(5, Some(0))];
        let layout = Layout::new(runs).unwrap();
        let seen: Vec<Vec<usize>> =
            (0..layout.blocks.len()).map(|block| layout.seen_from(block).collect()).collect();
        // Blocks: 0 and 1 of the first run, 2 to 4 of the third, 5 of the last.
        let expected: [&[usize]; 6] =
            [&[0], &[0, 1], &[0, 1, 2], &[0, 1, 2, 3], &[0, 1, 2, 3, 4], &[0, 1, 5]];
        assert_eq!(seen, expected);
        for (block, seen) in seen.iter().enumerate() {
            for other in 0..layout.blocks.len() {
                let sees = layout.seeing(other).any(|b| b == block);
                assert_eq!(sees, seen.contains(&other), "{block} {other}");
            }
        }
    }

    #[test]
    fn a_parent_comes_first() {
        let runs = vec![Run { len: 1, parent: Some(0) }];
        assert_eq!(Layout::new(runs), Err(KernelError::Parent { run: 0, parent: 0 }));
    }
}
