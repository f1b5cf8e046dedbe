use crate::DataError;
use refire_core::Stream;

/// What a search says of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchVerdict {
    /// It is a solution.
    Solved,
    /// It can't become one.
    Dead,
    /// Go on from it.
    Open,
}

/// A trace of a search with a known number of dead ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTrace {
    /// The trace, a line a move.
    pub text: String,
    /// Dead ends in it.
    pub backtracks: usize,
}

/// Writes a search as a trace with exactly `k` dead ends before the path that leads to a solution:
/// moves are named as they are tried, a dead end is left by "fails, backtrack". How many dead ends
/// a model should have seen depends on the task, so they are counted (the answer stays the same).
///
/// `moves` gives a state's moves with their names, `verdict` judges a state. The order of moves is
/// drawn; dead ends that lie off the solution's path are tried until there are `k` of them.
///
/// ```
/// use refire_core::{Purpose, Stream};
/// use refire_data::{SearchVerdict, backtracking_trace};
/// // Add 1, 2 or 3 until it is 5.
/// let moves = |at: &u32| (1..4).map(|n| (format!("add {n}"), at + n)).collect();
/// let verdict = |at: &u32| match at { 5 => SearchVerdict::Solved, 0..5 => SearchVerdict::Open, _ => SearchVerdict::Dead };
/// let draw = Stream::new(0, Purpose::named("example"), 0, 0, 0);
/// let trace = backtracking_trace(&0, &moves, &verdict, 2, 10_000, draw)?.unwrap();
/// assert_eq!(trace.text.matches("backtrack").count(), 2);
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// Returns `None` when there is no solution, or not enough dead ends beside its path.
///
/// # Errors
/// When more than `limit` states were visited.
pub fn backtracking_trace<S>(
    start: &S,
    moves: &dyn Fn(&S) -> Vec<(String, S)>,
    verdict: &dyn Fn(&S) -> SearchVerdict,
    k: usize,
    limit: usize,
    draw: Stream,
) -> Result<Option<SearchTrace>, DataError> {
    let mut search = Search { moves, verdict, left: limit, limit, draw };
    let Some(path) = search.solve(start)? else { return Ok(None) };
    let mut lines = Vec::new();
    let mut wanted = k;
    let mut at = None;
    for (name, state) in path {
        let here = at.as_ref().unwrap_or(start);
        if wanted > 0 {
            wanted -= search.dead_ends(here, &name, wanted, 0, &mut lines)?;
        }
        lines.push(format!("try {name}"));
        at = Some(state);
    }
    lines.push("this solves it".to_owned());
    let found = SearchTrace { text: lines.join("\n"), backtracks: k - wanted };
    Ok((wanted == 0).then_some(found))
}

struct Search<'a, S> {
    moves: &'a dyn Fn(&S) -> Vec<(String, S)>,
    verdict: &'a dyn Fn(&S) -> SearchVerdict,
    left: usize,
    limit: usize,
    draw: Stream,
}

/// A path of named moves.
type Path<S> = Vec<(String, S)>;

impl<S> Search<'_, S> {
    fn visit(&mut self) -> Result<(), DataError> {
        let value = self.limit;
        let full = || DataError::out_of_range("limit", value, "enough states for the search");
        self.left = self.left.checked_sub(1).ok_or_else(full)?;
        Ok(())
    }

    fn shuffled(&mut self, state: &S) -> Path<S> {
        let mut moves = (self.moves)(state);
        self.draw.shuffle(&mut moves);
        moves
    }

    /// A path to a solution, depth first.
    fn solve(&mut self, state: &S) -> Result<Option<Path<S>>, DataError> {
        for (name, next) in self.shuffled(state) {
            self.visit()?;
            match (self.verdict)(&next) {
                SearchVerdict::Solved => return Ok(Some(vec![(name, next)])),
                SearchVerdict::Dead => {}
                SearchVerdict::Open => {
                    if let Some(rest) = self.solve(&next)? {
                        let mut path = vec![(name, next)];
                        path.extend(rest);
                        return Ok(Some(path));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Writes up to `wanted` dead ends below a state, off the move `except`; returns how many.
    fn dead_ends(
        &mut self,
        state: &S,
        except: &str,
        wanted: usize,
        depth: usize,
        lines: &mut Vec<String>,
    ) -> Result<usize, DataError> {
        let mut found = 0;
        for (name, next) in self.shuffled(state) {
            if found == wanted {
                break;
            }
            if depth == 0 && name == except {
                continue;
            }
            self.visit()?;
            match (self.verdict)(&next) {
                SearchVerdict::Solved => {}
                SearchVerdict::Dead => {
                    lines.push(format!("try {name}: fails, backtrack"));
                    found += 1;
                }
                // A branch that holds a solution can't be left as a failure.
                SearchVerdict::Open => {
                    if self.solve(&next)?.is_none() {
                        let mut inner = vec![format!("try {name}")];
                        let below =
                            self.dead_ends(&next, except, wanted - found, depth + 1, &mut inner)?;
                        if below > 0 {
                            lines.extend(inner);
                            found += below;
                        }
                    }
                }
            }
        }
        Ok(found)
    }
}
