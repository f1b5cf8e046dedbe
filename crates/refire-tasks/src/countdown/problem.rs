use crate::TaskError;
use refire_core::{Purpose, Stream};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which problems exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Numbers per problem.
    pub numbers: usize,
    /// Largest number.
    pub max_number: u32,
    /// Largest value a step may give, the target included.
    pub max_value: u32,
}

impl Default for Config {
    /// Three numbers to 9, values to 99.
    fn default() -> Self {
        Self { numbers: 3, max_number: 9, max_value: 99 }
    }
}

/// An operation; a subtraction never gives less than 0, a division is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
}

impl Op {
    /// All operations.
    pub const ALL: [Self; 4] = [Self::Add, Self::Sub, Self::Mul, Self::Div];

    /// The result, if it exists and isn't negative.
    pub fn apply(self, a: u32, b: u32) -> Option<u32> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Sub => a.checked_sub(b),
            Self::Mul => a.checked_mul(b),
            Self::Div => a.checked_div(b).filter(|_| a.is_multiple_of(b)),
        }
    }

    /// Its sign.
    pub fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Sub => '-',
            Self::Mul => '*',
            Self::Div => '/',
        }
    }
}

/// One step of a solution: `a op b = result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Left operand.
    pub a: u32,
    /// Operation.
    pub op: Op,
    /// Right operand.
    pub b: u32,
    /// Result.
    pub result: u32,
}

/// Numbers, in ascending order, and the target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// The numbers, sorted.
    pub numbers: Vec<u32>,
    /// What to reach.
    pub target: u32,
}

impl Config {
    /// Every solvable problem once, in order. Problems are told apart by their sorted numbers, so
    /// that none is a permutation of another.
    ///
    /// ```
    /// use refire_tasks::countdown::Config;
    /// assert!(Config::default().problems()?.len() > 2_000);
    /// # Ok::<(), refire_tasks::TaskError>(())
    /// ```
    ///
    /// # Errors
    /// When the configuration allows no problem or far too many.
    pub fn problems(&self) -> Result<Vec<Problem>, TaskError> {
        self.validate()?;
        let mut found = BTreeMap::new();
        let mut numbers = vec![1; self.numbers];
        loop {
            let mut targets = BTreeSet::new();
            walk(&numbers, self.max_value, &mut Vec::new(), &mut |steps| {
                targets.extend(steps.last().map(|step| step.result));
            });
            found.insert(numbers.clone(), targets);
            // The next non-decreasing list.
            let Some(index) = numbers.iter().rposition(|n| *n < self.max_number) else { break };
            let next = numbers[index] + 1;
            numbers[index..].fill(next);
        }
        let problems = found.into_iter().flat_map(|(numbers, targets)| {
            let targets = targets.into_iter().filter(|target| *target > 0);
            targets.map(move |target| Problem { numbers: numbers.clone(), target })
        });
        Ok(problems.collect())
    }

    fn validate(&self) -> Result<(), TaskError> {
        let check = |field, value: usize, range: std::ops::RangeInclusive<usize>| {
            if range.contains(&value) {
                return Ok(());
            }
            let expected = format!("{} to {}", range.start(), range.end());
            Err(TaskError::OutOfRange { field, value, expected })
        };
        check("numbers", self.numbers, 2..=4)?;
        check("max_number", self.max_number as usize, 1..=99)?;
        check("max_value", self.max_value as usize, self.max_number as usize..=9_999)
    }
}

impl Problem {
    /// Identity, from numbers and target alone.
    pub fn id(&self) -> u64 {
        self.numbers.iter().fold(u64::from(self.target), |id, n| id * 128 + u64::from(*n))
    }

    /// Every distinct solution with values up to `max_value`, in order.
    pub fn solutions(&self, max_value: u32) -> Vec<Vec<Step>> {
        let mut found = BTreeSet::new();
        walk(&self.numbers, max_value, &mut Vec::new(), &mut |steps| {
            if steps.last().is_some_and(|step| step.result == self.target) {
                found.insert(steps.to_vec());
            }
        });
        found.into_iter().collect()
    }
}

/// Visits every way to combine the values to one.
fn walk(values: &[u32], max: u32, steps: &mut Vec<Step>, visit: &mut dyn FnMut(&[Step])) {
    if values.len() == 1 {
        return visit(steps);
    }
    for i in 0..values.len() {
        for j in (0..values.len()).filter(|j| *j != i) {
            for op in Op::ALL {
                let (a, b) = (values[i], values[j]);
                let Some(result) = op.apply(a, b).filter(|r| *r <= max) else { continue };
                let mut rest: Vec<u32> =
                    (0..values.len()).filter(|k| *k != i && *k != j).map(|k| values[k]).collect();
                rest.push(result);
                steps.push(Step { a, op, b, result });
                walk(&rest, max, steps, visit);
                steps.pop();
            }
        }
    }
}

/// Splits problems into training and held-out ones. As problems are told apart by their sorted
/// numbers and target, no permutation of a held-out problem is trained on.
///
/// # Errors
/// When fewer than `held_out + 1` problems are given.
pub fn split(
    mut problems: Vec<Problem>,
    held_out: usize,
    seed: u64,
) -> Result<(Vec<Problem>, Vec<Problem>), TaskError> {
    if held_out >= problems.len() {
        let expected = format!("below the {} problems", problems.len());
        return Err(TaskError::OutOfRange { field: "held_out", value: held_out, expected });
    }
    Stream::new(seed, Purpose::named("split"), 0, 0, 0).shuffle(&mut problems);
    let train = problems.split_off(held_out);
    Ok((train, problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_shares_no_problem() {
        let problems = Config::default().problems().unwrap();
        let (train, held) = split(problems.clone(), 450, 1).unwrap();
        assert_eq!((held.len(), train.len() + held.len()), (450, problems.len()));
        let train: BTreeSet<_> = train.into_iter().collect();
        assert!(held.iter().all(|p| !train.contains(p) && p.numbers.is_sorted()));
        let ids: BTreeSet<u64> = problems.iter().map(Problem::id).collect();
        assert_eq!(ids.len(), problems.len(), "ids are unique");
    }

    #[test]
    fn every_problem_has_a_solution() {
        for problem in Config::default().problems().unwrap() {
            assert!(!problem.solutions(99).is_empty(), "{problem:?}");
        }
    }

    #[test]
    fn three_numbers_to_nine_make_2253_problems() {
        let config = Config { max_value: 999, ..Config::default() };
        assert_eq!(config.problems().unwrap().len(), 2_253);
    }

    #[test]
    fn nonsense_is_refused() {
        let bad = |config: Config| config.problems().unwrap_err().to_string();
        let text = bad(Config { numbers: 9, ..Config::default() });
        assert_eq!(text, "`numbers` is 9, expected 2 to 4");
        assert!(split(Config::default().problems().unwrap(), 9_999, 0).is_err());
    }
}
